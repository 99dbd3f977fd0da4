/** One address takes all the connections of its own that it can get: clients elsewhere have transactions and block nevertheless. */
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { connect, type Socket } from "node:net";
import { freePort } from "../support/free-port.ts";
import { redisPool, startProxy } from "../support/proxy-process.ts";
import { startRedis } from "../support/redis-server.ts";

setDefaultTimeout(120_000);

/** What a test started, ended after it in reverse order. */
const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** A client that comes from `from`, and whose replies are lines. */
class Client {
  private readonly socket: Socket;
  private received = "";
  private wake: () => void = () => {};

  constructor(port: number, from: string) {
    this.socket = connect({ host: "127.0.0.1", port, localAddress: from });
    this.socket.on("data", (bytes) => {
      this.received += bytes.toString("latin1");
      this.wake();
    });
    this.socket.on("close", () => this.wake());
    cleanups.push(() => this.socket.destroy());
  }

  async ask(line: string): Promise<string> {
    this.socket.write(`${line}\r\n`);
    while (!this.received.includes("\r\n") && !this.socket.destroyed) {
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
    const end = this.received.indexOf("\r\n");
    const reply = this.received.substring(0, end);
    this.received = this.received.substring(end + 2);
    return reply;
  }
}

test("WATCH on many connections from one address leaves MULTI and BLPOP to another", async () => {
  const server = await startRedis();
  cleanups.push(() => server.stop());
  const port = freePort();
  const proxy = await startProxy({
    config: redisPool({ listen: `127.0.0.1:${port}`, servers: [server] }),
    args: ["--workers", "1"],
    wrapper: ["prlimit", "--nofile=300:300"],
  });
  cleanups.push(() => proxy.stop());
  const greedy = Array.from({ length: 118 }, () => new Client(port, "127.0.0.1"));
  const answers: string[] = [];
  for (const client of greedy) answers.push(await client.ask("WATCH k"));
  const refused = answers.filter((answer) => answer !== "+OK");
  expect(refused.length).toBeGreaterThan(10);
  expect(answers.length - refused.length).toBeGreaterThan(60);
  expect(refused[0]).toMatch(
    /^-ERR no connection for a transaction: \d+ connections to servers are in use \(transactions, blocking commands\) of clients at 127\.0\.0\.1, and the worker's limit of open files, 300, leaves no more; raise it/,
  );
  expect(proxy.stderr()).toContain("a client gets no connection of its own: ");
  // The others of that address, and all they do without a connection of their own, are served.
  expect(await greedy.at(-1)!.ask("SET k v")).toBe("+OK");
  const other = new Client(port, "127.0.0.2");
  expect(await other.ask("WATCH k")).toBe("+OK");
  expect(await other.ask("MULTI")).toBe("+OK");
  expect(await other.ask("INCR n")).toBe("+QUEUED");
  expect(await other.ask("EXEC")).toBe("*1");
  const waiting = new Client(port, "127.0.0.2");
  expect(await waiting.ask("BLPOP none 0.1")).toBe("*-1");
});
