import { expect, test } from "bun:test";
import type { SocketTuning } from "../../../src/api/engine.ts";
import type { StreamEvents } from "../../../src/api/stream.ts";
import { adoptStream } from "../../../src/engine/bun/adopt.ts";
import { connectTo } from "../../../src/engine/bun/connect.ts";
import { acceptOn } from "../../../src/engine/bun/listen.ts";
import { acceptConnection } from "../../../src/os/accept.ts";
import { closeFd, setNonBlocking } from "../../../src/os/fd.ts";
import { libc } from "../../../src/os/libc.ts";
import { boundPort, listenTcp } from "../../../src/os/listen-socket.ts";
import { acceptQueueLength, setDeferAccept } from "../../../src/os/tcp-options.ts";
import { closeEngines, ENGINES, engineNamed } from "../../support/engines.ts";

const SOL_SOCKET = 1;
const SO_KEEPALIVE = 9;
const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;
const TCP_DEFER_ACCEPT = 9;
const TCP_QUICKACK = 12;

const NOBODY: StreamEvents = { onBytes() {}, onDrain() {}, onEnd() {}, onClose() {} };

function option(fd: number, level: number, name: number): number {
  const value = new Int32Array(new ArrayBuffer(4));
  const length = Uint32Array.from([4]);
  expect(libc.getsockopt(fd, level, name, value, length)).toBe(0);
  return value[0]!;
}

function optionsOf(fd: number): SocketTuning {
  return {
    isKeptAlive: option(fd, SOL_SOCKET, SO_KEEPALIVE) === 1,
    isUndelayed: option(fd, IPPROTO_TCP, TCP_NODELAY) === 1,
    isQuicklyAcked: false,
  };
}

const PLAIN: SocketTuning = { isKeptAlive: false, isUndelayed: true, isQuicklyAcked: false };
const OTHER: SocketTuning = { isKeptAlive: true, isUndelayed: false, isQuicklyAcked: false };

test.each([PLAIN, OTHER])("accepted, adopted and outgoing connections get %o", async (tuning) => {
  const listening = listenTcp({ ip: "127.0.0.1", port: 0, backlog: 8, reusePort: false });
  const port = boundPort(listening);
  const address = { kind: "tcp" as const, host: "127.0.0.1", port };
  const found: SocketTuning[] = [];
  const connect = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const onOpen = ({ fd }: { readonly fd: number }): void => {
        found.push(optionsOf(fd));
        resolve();
      };
      connectTo(address, tuning, { onOpen, onError: reject }, NOBODY);
    });
  setNonBlocking(listening);
  await connect();
  const adopted = Promise.withResolvers<void>();
  adoptStream(
    acceptConnection(listening)!,
    tuning,
    (stream) => {
      // Set when it is known who listens: looked at right after.
      setImmediate(() => {
        found.push(optionsOf(stream.fd));
        adopted.resolve();
      });
      return NOBODY;
    },
    () => adopted.reject(new Error("not adopted")),
  );
  await adopted.promise;
  const accepted = Promise.withResolvers<void>();
  const acceptor = acceptOn(listening, tuning, (stream) => {
    setImmediate(() => {
      found.push(optionsOf(stream.fd));
      accepted.resolve();
    });
    return NOBODY;
  });
  await connect();
  await accepted.promise;
  acceptor.stop();
  expect(found).toEqual([tuning, tuning, tuning, tuning]);
});

test.each(ENGINES)(
  "clients that had connected before a worker listened have them, too: %s",
  async (name) => {
    const listening = listenTcp({ ip: "127.0.0.1", port: 0, backlog: 8, reusePort: false });
    const client = await Bun.connect({
      ...{ hostname: "127.0.0.1", port: boundPort(listening) },
      socket: { data() {} },
    });
    const accepted = Promise.withResolvers<SocketTuning>();
    const tuning = { ...PLAIN, isKeptAlive: true };
    const engine = engineNamed(name);
    const acceptor = engine.listen(listening, tuning, (stream) => {
      setImmediate(() => accepted.resolve(optionsOf(stream.fd)));
      return NOBODY;
    });
    expect(await accepted.promise).toEqual(tuning);
    acceptor.stop();
    client.end();
    // The tests that follow are of Bun's loop alone.
    closeEngines();
  },
);

test.each([true, false])(
  "quick acknowledgement %p holds in the middle of a conversation",
  async (isQuicklyAcked) => {
    const listening = listenTcp({ ip: "127.0.0.1", port: 0, backlog: 8, reusePort: false });
    const port = boundPort(listening);
    const found: number[] = [];
    const acceptor = acceptOn(listening, { ...PLAIN, isQuicklyAcked }, (stream) => ({
      ...NOBODY,
      onBytes(chunk) {
        found.push(option(stream.fd, IPPROTO_TCP, TCP_QUICKACK));
        stream.write(chunk, 0, chunk.length);
      },
    }));
    const done = Promise.withResolvers<void>();
    const client = await Bun.connect({
      hostname: "127.0.0.1",
      port,
      socket: {
        data(socket) {
          if (found.length < 20) socket.write("x");
          else done.resolve();
        },
      },
    });
    client.write("x");
    await done.promise;
    client.end();
    acceptor.stop();
    // The kernel takes a few exchanges to see that it is a conversation.
    const later = found.filter((_, index) => index >= 10);
    expect(later).toEqual(later.map(() => (isQuicklyAcked ? 1 : 0)));
  },
);

test("nobody waits: null; no listening socket: an error", () => {
  const listening = listenTcp({ ip: "127.0.0.1", port: 0, backlog: 8, reusePort: false });
  setNonBlocking(listening);
  expect(acceptConnection(listening)).toBeNull();
  closeFd(listening);
  expect(() => acceptConnection(listening)).toThrow("accept4: EBADF");
});

test("the length of an accept queue", async () => {
  const listening = listenTcp({ ip: "127.0.0.1", port: 0, backlog: 8, reusePort: false });
  setNonBlocking(listening);
  expect(acceptQueueLength(listening)).toBe(0);
  const sockets = await Promise.all(
    Array.from({ length: 3 }, () =>
      Bun.connect({ hostname: "127.0.0.1", port: boundPort(listening), socket: { data() {} } }),
    ),
  );
  expect(acceptQueueLength(listening)).toBe(3);
  const first = acceptConnection(listening)!;
  expect(acceptQueueLength(listening)).toBe(2);
  expect(acceptQueueLength(first)).toBe(0);
  for (const socket of sockets) socket.end();
  for (const fd of [first, listening]) closeFd(fd);
  expect(acceptQueueLength(first)).toBe(0);
});

test("accepting may wait for the first bytes", () => {
  const listening = listenTcp({ ip: "127.0.0.1", port: 0, backlog: 8, reusePort: false });
  expect(option(listening, IPPROTO_TCP, TCP_DEFER_ACCEPT)).toBe(0);
  setDeferAccept(listening, 3);
  // The kernel rounds up to when it would send again.
  expect(option(listening, IPPROTO_TCP, TCP_DEFER_ACCEPT)).toBeGreaterThanOrEqual(3);
  closeFd(listening);
});
