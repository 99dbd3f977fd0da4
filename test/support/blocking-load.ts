/**
 * Consumers that wait for elements with blocking commands, and a producer. Elements are numbered by consumer, so one that
 * is lost, doubled or out of order is an error at once.
 */
import type { RedisCommand } from "./redis-exchange.ts";
import { RespClient } from "./resp-client.ts";
import type { Endpoint } from "./server-process.ts";

interface Kind {
  /** How element number `sequence` is put into `key`. */
  push(key: string, sequence: number, element: string): RedisCommand;
  /** How element number `sequence` is waited for. */
  pop(key: string, sequence: number): RedisCommand;
}

const list = (key: string, _sequence: number, element: string): RedisCommand => [
  "RPUSH",
  key,
  element,
];

const KINDS: readonly Kind[] = [
  { push: list, pop: (key) => ["BLPOP", key, "0"] },
  { push: list, pop: (key) => ["BLMPOP", "0", "1", key, "LEFT"] },
  {
    push: (key, sequence, element) => ["ZADD", key, String(sequence), element],
    pop: (key) => ["BZPOPMIN", key, "0"],
  },
  {
    push: (key, sequence, element) => ["XADD", key, `${sequence + 1}-0`, "f", element],
    pop: (key, sequence) => [
      ...["XREAD", "COUNT", "1", "BLOCK", "0", "STREAMS"],
      ...[key, sequence === 0 ? "0" : `${sequence}-0`],
    ],
  },
];

interface Consumer {
  readonly index: number;
  readonly kind: Kind;
  readonly key: string;
  pushed: number;
  popped: number;
}

export class BlockingLoad {
  readonly errors: string[] = [];
  private readonly endpoint: Endpoint;
  private readonly consumers: Consumer[];
  private readonly clients: RespClient[] = [];
  private readonly consuming: Promise<void>[] = [];
  private producing: Promise<void> = Promise.resolve();
  private isStopping = false;

  private constructor(endpoint: Endpoint, count: number) {
    this.endpoint = endpoint;
    this.consumers = Array.from({ length: count }, (_, index) => ({
      index,
      kind: KINDS[index % KINDS.length]!,
      key: `queue-${index}`,
      pushed: 0,
      popped: 0,
    }));
  }

  static async start(endpoint: Endpoint, count: number): Promise<BlockingLoad> {
    const load = new BlockingLoad(endpoint, count);
    for (const consumer of load.consumers) {
      const client = await RespClient.connect(endpoint, 60_000);
      load.clients.push(client);
      if (consumer.index % 2 === 1) await client.ask("HELLO", "3");
      load.consuming.push(load.consume(client, consumer));
    }
    load.producing = load.produce();
    return load;
  }

  /** Elements that arrived so far. */
  get popped(): number {
    return this.consumers.reduce((sum, { popped }) => sum + popped, 0);
  }

  /** Ends it when all that was pushed has arrived; then every consumer waits for one more, and leaves. */
  async stop(): Promise<void> {
    this.isStopping = true;
    await this.producing;
    const deadline = performance.now() + 20_000;
    while (this.errors.length === 0 && this.consumers.some((each) => each.popped < each.pushed)) {
      if (performance.now() > deadline) this.errors.push(`lost: ${JSON.stringify(this.consumers)}`);
      await Bun.sleep(5);
    }
    for (const client of this.clients) client.close();
    await Promise.all(this.consuming);
  }

  private async consume(client: RespClient, consumer: Consumer): Promise<void> {
    const { index, kind, key } = consumer;
    try {
      while (true) {
        client.command(kind.pop(key, consumer.popped));
        const reply = (await client.reply()).toString("latin1");
        const want = `${index}:${consumer.popped}\r\n`;
        if (!reply.includes(`\n${want}`)) throw new Error(`want ${want}, got ${reply}`);
        consumer.popped++;
      }
    } catch (error) {
      if (!this.isStopping) this.errors.push(`consumer ${index}: ${(error as Error).message}`);
    }
  }

  private async produce(): Promise<void> {
    const client = await RespClient.connect(this.endpoint, 60_000);
    while (!this.isStopping) {
      const chosen = this.consumers.filter(() => Math.random() < 0.3);
      for (const consumer of chosen) {
        const { index, kind, key } = consumer;
        const sequence = consumer.pushed++;
        client.command(kind.push(key, sequence, `${index}:${sequence}`));
      }
      for (const { index } of chosen) {
        const reply = `${await client.reply()}`;
        if (reply.startsWith("-")) this.errors.push(`push for ${index}: ${reply}`);
      }
      // Sometimes they wait, sometimes what they want is there already.
      await Bun.sleep(Math.random() * 6);
    }
    client.close();
  }
}
