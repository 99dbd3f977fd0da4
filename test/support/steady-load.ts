/**
 * Clients of every kind that must not notice what happens to the proxy: pipelining ones, idle ones, and some in the
 * middle of a large request or reply. Every reply is compared; any surprise is kept as an error.
 */
import { RespClient } from "./resp-client.ts";
import type { Endpoint } from "./server-process.ts";

export interface LoadOptions {
  readonly endpoint: Endpoint;
  readonly pipelining: number;
  readonly idle: number;
  /** Clients that have sent half of a large request, and as many that have not read a large reply. */
  readonly halfway: number;
}

const DEADLINE_MS = 30_000;
const BATCH = 8;
const LARGE = "0123456789abcdef".repeat(40_000);

export class SteadyLoad {
  readonly errors: string[] = [];
  /** Requests that were answered rightly. */
  requests = 0;
  /** Longest time that a batch of a pipelining client took. */
  longestPauseMs = 0;

  private readonly options: LoadOptions;
  private readonly running: Promise<void>[] = [];
  private readonly idle: RespClient[] = [];
  private readonly writers: RespClient[] = [];
  private readonly readers: RespClient[] = [];
  private isStopping = false;

  private constructor(options: LoadOptions) {
    this.options = options;
  }

  static async start(options: LoadOptions): Promise<SteadyLoad> {
    const load = new SteadyLoad(options);
    await load.begin();
    return load;
  }

  /** Ends the load: idle clients ask, halfway ones finish, pipelining ones stop. Resolves when all is compared. */
  async stop(): Promise<void> {
    this.isStopping = true;
    await Promise.all(this.running);
    await Promise.all([
      ...this.idle.map((client, i) => this.check(`idle ${i}`, () => this.wake(client, i))),
      ...this.writers.map((client, i) =>
        this.check(`writer ${i}`, () => this.endRequest(client, i)),
      ),
      ...this.readers.map((client, i) => this.check(`reader ${i}`, () => this.readReply(client))),
    ]);
    for (const client of [...this.idle, ...this.writers, ...this.readers]) client.close();
  }

  private async begin(): Promise<void> {
    const { pipelining, idle, halfway } = this.options;
    for (let i = 0; i < idle; i++) {
      const client = await this.connect();
      await client.ask("CLIENT", "SETNAME", `idle-${i}`);
      this.idle.push(client);
    }
    const setter = await this.connect();
    await setter.ask("SET", "large", LARGE);
    setter.close();
    for (let i = 0; i < halfway; i++) {
      const writer = await this.connect();
      writer.send(largeRequest(i).substring(0, LARGE.length / 2));
      this.writers.push(writer);
      const reader = await this.connect();
      reader.pause();
      reader.command(["GET", "large"], ["PING"]);
      this.readers.push(reader);
    }
    for (let i = 0; i < pipelining; i++) {
      const client = await this.connect();
      this.running.push(this.check(`client ${i}`, () => this.pipeline(client, i)));
    }
  }

  private connect(): Promise<RespClient> {
    return RespClient.connect(this.options.endpoint, DEADLINE_MS);
  }

  private async check(name: string, act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (error) {
      this.errors.push(`${name}: ${(error as Error).message}`);
    }
  }

  /** INCR tells a command that was executed twice or never; GET tells a value of somebody else. */
  private async pipeline(client: RespClient, index: number): Promise<void> {
    let count = 0;
    while (!this.isStopping) {
      const from = performance.now();
      const values = Array.from({ length: BATCH }, (_, i) => `client ${index} value ${count + i}`);
      client.command(
        ...values.flatMap((value, i) => [
          ["INCR", `count:${index}`],
          ["SET", `value:${index}:${i}`, value],
          ["GET", `value:${index}:${i}`],
          ["MGET", `value:${index}:${i}`, `none:${index}`],
        ]),
      );
      for (const value of values) {
        count++;
        const bulk = `$${value.length}\r\n${value}\r\n`;
        await expectReply(client, `:${count}\r\n`);
        await expectReply(client, "+OK\r\n");
        await expectReply(client, bulk);
        await expectReply(client, `*2\r\n${bulk}$-1\r\n`);
        this.requests += 4;
      }
      this.longestPauseMs = Math.max(this.longestPauseMs, performance.now() - from);
    }
    client.close();
  }

  private async wake(client: RespClient, index: number): Promise<void> {
    client.command(["CLIENT", "GETNAME"]);
    await expectReply(client, `$${`idle-${index}`.length}\r\nidle-${index}\r\n`);
  }

  private async endRequest(client: RespClient, index: number): Promise<void> {
    client.send(largeRequest(index).substring(LARGE.length / 2));
    await expectReply(client, "+OK\r\n");
    client.command(["GET", `written:${index}`]);
    await expectReply(client, `$${LARGE.length}\r\n${LARGE}\r\n`);
  }

  private async readReply(client: RespClient): Promise<void> {
    client.resume();
    await expectReply(client, `$${LARGE.length}\r\n${LARGE}\r\n`);
    await expectReply(client, "+PONG\r\n");
  }
}

function largeRequest(index: number): string {
  const key = `written:${index}`;
  return `*3\r\n$3\r\nSET\r\n$${key.length}\r\n${key}\r\n$${LARGE.length}\r\n${LARGE}\r\n`;
}

async function expectReply(client: RespClient, wanted: string): Promise<void> {
  const reply = (await client.reply()).toString("latin1");
  if (reply !== wanted) {
    throw new Error(`want ${wanted.substring(0, 60)}, got ${reply.substring(0, 60)}`);
  }
}
