/** The engine against the kernel: what the data plane relies on, over a socket of a temporary directory. */
import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SocketTuning } from "../../../../src/api/engine.ts";
import type { Stream, StreamEvents } from "../../../../src/api/stream.ts";
import { connectTo } from "../../../../src/engine/bun/connect.ts";

const cleanups: (() => unknown)[] = [];

afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup();
});

/** What was heard of a stream, and a promise of the next event of a kind. */
class Ear implements StreamEvents {
  readonly heard: string[] = [];
  readonly closed: Promise<string>;
  #close!: (cause: string) => void;
  onNext: () => void = () => {};

  constructor() {
    const { promise, resolve } = Promise.withResolvers<string>();
    this.closed = promise;
    this.#close = resolve;
  }

  onBytes(chunk: Buffer): void {
    this.#note(`bytes ${chunk.length}`);
  }

  onDrain(): void {
    this.#note("drain");
  }

  onEnd(): void {
    this.#note("end");
  }

  onClose(cause: string): void {
    this.#note("close");
    this.#close(cause);
  }

  #note(what: string): void {
    this.heard.push(what);
    this.onNext();
  }
}

function listen(
  onOpen: (socket: Bun.Socket<undefined>) => void,
  onData: (bytes: number) => void,
): string {
  const directory = mkdtempSync(join(tmpdir(), "streams-"));
  const unix = join(directory, "s");
  const listener = Bun.listen<undefined>({
    unix,
    data: undefined,
    socket: { open: onOpen, data: (_, chunk) => onData(chunk.length) },
  });
  cleanups.push(() => rmSync(directory, { recursive: true }));
  cleanups.push(() => listener.stop(true));
  return unix;
}

const PLAIN: SocketTuning = { isKeptAlive: false, isUndelayed: true, isQuicklyAcked: false };

function connect(path: string, ear: StreamEvents): Promise<Stream> {
  return new Promise((resolve, reject) => {
    const address = { kind: "unix", path, mode: null } as const;
    connectTo(address, PLAIN, { onOpen: resolve, onError: reject }, ear);
  });
}

test("a stream takes what fits, says when there is room again, and loses nothing", async () => {
  let received = 0;
  const arrived = Promise.withResolvers<void>();
  const total = 8 * 1024 * 1024;
  const path = listen(
    () => {},
    (bytes) => {
      received += bytes;
      if (received === total) arrived.resolve();
    },
  );
  const ear = new Ear();
  const stream = await connect(path, ear);
  const bytes = Buffer.alloc(total);
  let sent = 0;
  const pump = (): void => {
    const taken = stream.write(bytes, sent, total - sent);
    expect(taken).toBeGreaterThanOrEqual(0);
    sent += taken;
  };
  ear.onNext = pump;
  pump();
  expect(sent).toBeLessThan(total);
  await arrived.promise;
  expect(ear.heard).toContain("drain");
  ear.onNext = () => {};
  stream.close();
});

test("close is heard exactly once, from inside, and then nothing can be written", async () => {
  const ear = new Ear();
  const path = listen(
    () => {},
    () => {},
  );
  const stream = await connect(path, ear);
  expect(stream.fd).toBeGreaterThan(2);
  stream.close();
  stream.close();
  expect(ear.heard).toEqual(["close"]);
  expect(stream.write(Buffer.from("x"), 0, 1)).toBe(-1);
  expect(stream.fd).toBe(-1);
});

test("the other end's close is heard", async () => {
  const ear = new Ear();
  const path = listen(
    (socket) => socket.end("bye"),
    () => {},
  );
  await connect(path, ear);
  expect(await ear.closed).toBe("");
  expect(ear.heard[0]).toBe("bytes 3");
  expect(ear.heard.filter((what) => what === "close").length).toBe(1);
});

test("an attempt fails with its code, or after being abandoned is silent", async () => {
  const heard: string[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const address = { kind: "unix", path: join(tmpdir(), "no-such-socket"), mode: null } as const;
  const events = (name: string, then: () => void) => ({
    onOpen: () => heard.push(`${name} open`),
    onError: (cause: string) => {
      heard.push(`${name} ${cause}`);
      then();
    },
  });
  connectTo(
    address,
    PLAIN,
    events("abandoned", () => {}),
    new Ear(),
  ).abandon();
  connectTo(address, PLAIN, events("tried", resolve), new Ear());
  await promise;
  expect(heard).toEqual(["tried ENOENT"]);
});

test.each([
  ["paused before", true, false],
  ["paused after", false, true],
  ["not paused", false, false],
])("of a connection that a write finds gone the end is heard: %s", async (_, before, after) => {
  const accepted = Promise.withResolvers<Bun.Socket<undefined>>();
  const path = listen(accepted.resolve, () => {});
  const ear = new Ear();
  const stream = await connect(path, ear);
  const peer = await accepted.promise;
  if (before) stream.pause();
  peer.write("last");
  peer.terminate();
  expect(stream.write(Buffer.from("x"), 0, 1)).toBe(-1);
  if (after) stream.pause();
  await ear.closed;
  // Of what had been received before, nothing is lost.
  expect(ear.heard.filter((what) => what !== "drain")).toEqual(["bytes 4", "end", "close"]);
});

test("of a TCP connection that a write finds gone no end in good order is heard", async () => {
  const accepted = Promise.withResolvers<Bun.Socket<undefined>>();
  const server = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: { open: accepted.resolve, data() {} },
  });
  const ear = new Ear();
  const opened = Promise.withResolvers<Stream>();
  const address = { kind: "tcp", host: "127.0.0.1", port: server.port } as const;
  connectTo(address, PLAIN, { onOpen: opened.resolve, onError: opened.reject }, ear);
  const stream = await opened.promise;
  const peer = await accepted.promise;
  peer.write("last");
  peer.terminate();
  while (stream.write(Buffer.from("x"), 0, 1) >= 0);
  expect(await ear.closed).toBe("ECONNRESET");
  expect(ear.heard.filter((what) => what !== "drain")).toEqual(["bytes 4", "close"]);
  server.stop();
});
