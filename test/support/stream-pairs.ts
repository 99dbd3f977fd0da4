/** A stream of an engine, and a socket of Node's at its other end. */
import { mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, connect as connectNode, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Address } from "../../src/api/config.ts";
import type { Engine } from "../../src/api/engine.ts";
import type { Stream } from "../../src/api/stream.ts";
import { boundPort, listenTcp, listenUnix } from "../../src/os/listen-socket.ts";
import { Ear, PLAIN } from "./engines.ts";

const cleanups: (() => unknown)[] = [];

/** Done by `cleanUp`, the last one first. */
export function later(cleanup: () => unknown): void {
  cleanups.push(cleanup);
}

/** To be called after each test. */
export function cleanUp(): void {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup();
}

export type Kind = "tcp" | "tcp6" | "unix";
export const KINDS: readonly Kind[] = ["tcp", "tcp6", "unix"];
const HOSTS = { tcp: "127.0.0.1", tcp6: "::1" } as const;

export function socketPath(): string {
  const directory = mkdtempSync(join(tmpdir(), "streams-"));
  cleanups.push(() => rmSync(directory, { recursive: true }));
  return join(directory, "s");
}

/** A server of Node's, and what connects to it. */
export async function serve(kind: Kind): Promise<{ address: Address; accepted: Promise<Socket> }> {
  const { promise: accepted, resolve } = Promise.withResolvers<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => {});
    cleanups.push(() => socket.destroy());
    resolve(socket);
  });
  cleanups.push(() => server.close());
  const path = kind === "unix" ? socketPath() : null;
  await new Promise<void>((done) => {
    if (path === null) server.listen(0, HOSTS[kind as "tcp"], done);
    else server.listen(path, done);
  });
  const address: Address =
    path === null
      ? { kind: "tcp", host: HOSTS[kind as "tcp"], port: (server.address() as AddressInfo).port }
      : { kind: "unix", path, mode: null };
  return { address, accepted };
}

export function connect(
  engine: Engine,
  address: Address,
  ear: Ear,
  isHalfOpen = true,
): Promise<Stream> {
  return new Promise((resolve, reject) => {
    const events = { onOpen: resolve, onError: (cause: string) => reject(new Error(cause)) };
    engine.connect(address, PLAIN, events, ear, isHalfOpen);
  });
}

export interface Pair {
  readonly stream: Stream;
  readonly ear: Ear;
  readonly peer: Socket;
}

export async function connected(
  engine: Engine,
  kind: Kind = "tcp",
  isHalfOpen = true,
): Promise<Pair> {
  const { address, accepted } = await serve(kind);
  const ear = new Ear();
  const stream = await connect(engine, address, ear, isHalfOpen);
  cleanups.push(() => stream.close());
  return { stream, ear, peer: await accepted };
}

/** So many clients connect together: less than any queue of connections that wait to be accepted. */
const AT_ONCE = 100;

/** Accepts the connections of `count` clients. */
export async function accepting(engine: Engine, kind: Kind, count: number): Promise<Pair[]> {
  const path = kind === "unix" ? socketPath() : "";
  const fd =
    kind === "unix"
      ? listenUnix({ path, mode: null, backlog: 4096 }).fd
      : listenTcp({ ip: HOSTS[kind], port: 0, backlog: 4096, reusePort: false });
  const port = kind === "unix" ? 0 : boundPort(fd);
  const found: { stream: Stream; ear: Ear }[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const handle = engine.listen(fd, PLAIN, (stream) => {
    const ear = new Ear();
    found.push({ stream, ear });
    if (found.length === count) resolve();
    return ear;
  });
  cleanups.push(() => handle.stop());
  const join = () => {
    const options = { allowHalfOpen: true };
    const peer =
      kind === "unix"
        ? connectNode({ path, ...options })
        : connectNode({ port, host: HOSTS[kind], ...options });
    peer.on("error", () => {});
    cleanups.push(() => peer.destroy());
    return peer;
  };
  const peers: Socket[] = [];
  // Not all at once: behind a queue that overflows, the kernel answers with cookies, and knows nothing of a connection that its client
  // takes for made, until something is sent over it.
  while (peers.length < count) {
    const some = Array.from({ length: Math.min(count - peers.length, AT_ONCE) }, join);
    await Promise.all(some.map((peer) => new Promise<void>((done) => peer.once("connect", done))));
    peers.push(...some);
  }
  await promise;
  cleanups.push(() => {
    for (const { stream } of found) stream.close();
  });
  // The kernel accepts in the order in which they came; only of one is it known which is which.
  return found.map((one, index) => ({ ...one, peer: peers[index]! }));
}

export function pattern(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at + 4 <= length; at += 4) bytes.writeUInt32LE((at * 2_654_435_761) >>> 0, at);
  return bytes;
}

export function readAll(peer: Socket, length: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  return new Promise((resolve) => {
    peer.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      size += chunk.length;
      if (size >= length) resolve(Buffer.concat(chunks));
    });
  });
}

export function ended(peer: Socket): Promise<void> {
  return new Promise((resolve) => {
    peer.on("end", () => resolve());
    peer.on("close", () => resolve());
    peer.resume();
  });
}
