/** The little of RESP and TCP that the benchmark itself speaks. */
import { createConnection, createServer } from "node:net";

const CONNECT_TIMEOUT_MS = 10_000;

/** A free TCP port on loopback. Free when looked at: whoever uses it must cope with losing it, and start over. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}

/** A request as an array of bulk strings. */
export function encode(...words: readonly string[]): string {
  return `*${words.length}\r\n${words.map(bulk).join("")}`;
}

/** One bulk string; latin1, so that its length is its byte count. */
export function bulk(word: string): string {
  return `$${word.length}\r\n${word}\r\n`;
}

/** Sends `request` on a connection of its own and returns the first `replyBytes` bytes, or fewer when it is closed before. */
export function exchange(
  port: number,
  request: string,
  replyBytes: number,
  timeoutMs: number,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let received = 0;
    const socket = createConnection({ host: "127.0.0.1", port });
    const finish = (): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(Buffer.concat(chunks).toString("latin1"));
    };
    const timer = setTimeout(finish, timeoutMs);
    socket.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      received += chunk.length;
      if (received >= replyBytes) finish();
    });
    socket.on("end", finish);
    socket.on("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
    socket.write(request, "latin1");
  });
}

/** @throws naming `what` unless the reply to `request` is `expected`, byte for byte. */
export async function expectReply(
  port: number,
  request: string,
  expected: string,
  what: string,
): Promise<void> {
  const reply = await exchange(port, request, expected.length, 5_000);
  if (reply === expected) return;
  const start = reply.substring(0, 60).replaceAll("\r\n", "\\r\\n");
  throw new Error(
    `${what} gave a wrong reply (${reply.length} bytes for ${expected.length}): ${start}`,
  );
}

/** Waits until somebody accepts on the port. */
export async function waitForPort(port: number, hasFailed: () => boolean): Promise<boolean> {
  const deadline = performance.now() + CONNECT_TIMEOUT_MS;
  while (performance.now() < deadline && !hasFailed()) {
    if (await accepts(port)) return true;
    await Bun.sleep(20);
  }
  return false;
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: "127.0.0.1", port });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
