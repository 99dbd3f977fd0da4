/**
 * Publishers of numbered messages, and subscribers of every kind that must get each number once and in order, whatever
 * happens to the proxy in between. Any surprise is kept as an error.
 */
import { RespClient } from "./resp-client.ts";
import type { Endpoint } from "./server-process.ts";

/** Messages of one publisher that wait for their reply. */
const IN_FLIGHT = 4;
/** It waits for the slowest subscriber when that is so many messages behind: servers cut who cannot keep up. */
const AHEAD_MAX = 200;
const POLL_MS = 1;
const SMALL = "x".repeat(50);
/** So long that it comes in pieces. */
const LARGE = "y".repeat(100_000);
const LARGE_EVERY = 200;

export class SteadyNews {
  readonly errors: string[] = [];
  private readonly publishers: Publisher[] = [];
  private readonly subscribers: Subscriber[] = [];

  /** @param publishAt where each publisher connects: the proxy, or a server */
  static async start(
    proxy: Endpoint,
    publishAt: readonly Endpoint[],
    subscribers: number,
  ): Promise<SteadyNews> {
    const news = new SteadyNews();
    const channels = publishAt.map((_, i) => `news:${i}`);
    for (let i = 0; i < subscribers; i++) {
      const version = i % 2 === 0 ? 2 : 3;
      const wants = (["channels", "pattern", "both"] as const)[i % 3]!;
      const report = (text: string): void => void news.errors.push(`subscriber ${i}: ${text}`);
      news.subscribers.push(await Subscriber.start(proxy, { version, wants, channels, report }));
    }
    for (const [i, endpoint] of publishAt.entries()) {
      const report = (text: string): void => void news.errors.push(`publisher ${i}: ${text}`);
      const slowest = (): number => news.slowest(`news:${i}`);
      news.publishers.push(await Publisher.start(endpoint, `news:${i}`, slowest, report));
    }
    return news;
  }

  /** Messages that were published so far. */
  get published(): number {
    return this.publishers.reduce((sum, { count }) => sum + count, 0);
  }

  /** What the last of the subscribers expects next. */
  private slowest(channel: string): number {
    return Math.min(...this.subscribers.map((subscriber) => subscriber.expected(channel)));
  }

  /** Ends the publishers, and waits until every subscriber has everything. */
  async stop(): Promise<void> {
    const counts = await Promise.all(this.publishers.map((publisher) => publisher.stop()));
    await Promise.all(this.subscribers.map((subscriber) => subscriber.stop(counts)));
  }
}

function textOf(number: number): string {
  return `${number}:${number % LARGE_EVERY === LARGE_EVERY - 1 ? LARGE : SMALL}`;
}

class Publisher {
  count = 0;
  private isStopping = false;
  private running: Promise<void> = Promise.resolve();

  static async start(
    endpoint: Endpoint,
    channel: string,
    slowest: () => number,
    report: (text: string) => void,
  ): Promise<Publisher> {
    const publisher = new Publisher();
    const client = await RespClient.connect(endpoint);
    publisher.running = publisher
      .run(client, channel, slowest)
      .catch((error: Error) => report(error.message))
      .finally(() => client.close());
    return publisher;
  }

  async stop(): Promise<number> {
    this.isStopping = true;
    await this.running;
    return this.count;
  }

  private async run(client: RespClient, channel: string, slowest: () => number): Promise<void> {
    while (!this.isStopping) {
      if (this.count > slowest() + AHEAD_MAX) {
        await Bun.sleep(POLL_MS);
        continue;
      }
      for (let i = 0; i < IN_FLIGHT; i++) {
        client.command(["PUBLISH", channel, textOf(this.count++)]);
      }
      for (const reply of await client.replies(IN_FLIGHT)) {
        if (!/^:\d+\r\n$/.test(`${reply}`)) throw new Error(`published, got ${reply}`);
      }
    }
  }
}

interface Wish {
  readonly version: 2 | 3;
  readonly wants: "channels" | "pattern" | "both";
  readonly channels: readonly string[];
  readonly report: (text: string) => void;
}

class Subscriber {
  private readonly wish: Wish;
  private readonly client: RespClient;
  /** The number that comes next, by kind of message and channel. */
  private readonly next: Map<string, number> = new Map();
  private counts: readonly number[] | null = null;
  private running: Promise<void> = Promise.resolve();

  private constructor(wish: Wish, client: RespClient) {
    this.wish = wish;
    this.client = client;
  }

  static async start(endpoint: Endpoint, wish: Wish): Promise<Subscriber> {
    const client = await RespClient.connect(endpoint);
    const subscriber = new Subscriber(wish, client);
    if (wish.version === 3) await client.ask("HELLO", "3");
    if (wish.wants !== "pattern") {
      client.command(["SUBSCRIBE", ...wish.channels]);
      await client.replies(wish.channels.length);
      for (const channel of wish.channels) subscriber.next.set(`message ${channel}`, 0);
    }
    if (wish.wants !== "channels") {
      await client.ask("PSUBSCRIBE", "news:*");
      for (const channel of wish.channels) subscriber.next.set(`pmessage ${channel}`, 0);
    }
    subscriber.running = subscriber
      .run()
      .catch((error: Error) => wish.report(error.message))
      .finally(() => client.close());
    return subscriber;
  }

  expected(channel: string): number {
    const { next } = this;
    const numbers = [next.get(`message ${channel}`), next.get(`pmessage ${channel}`)];
    return Math.min(...numbers.filter((number) => number !== undefined));
  }

  /** @param counts how many each publisher has published */
  async stop(counts: readonly number[]): Promise<void> {
    this.counts = counts;
    // Something comes, even if everything is there already.
    this.client.command(["PING"]);
    await this.running;
  }

  private async run(): Promise<void> {
    while (!this.isComplete) {
      const frame = (await this.client.reply()).toString("latin1");
      const [, , word, ...rest] = frame.split("\r\n");
      if (word === "message" || word === "pmessage") this.take(frame, word, rest);
      else if (!/^(\+PONG|\*2\r\n\$4\r\npong)/.test(frame)) throw new Error(`got ${frame}`);
    }
  }

  private take(frame: string, word: string, rest: readonly string[]): void {
    const first = this.wish.version === 3 ? ">" : "*";
    if (!frame.startsWith(first)) throw new Error(`got ${frame}`);
    const [channel, text = ""] = word === "message" ? [rest[1], rest[3]] : [rest[3], rest[5]];
    const key = `${word} ${channel}`;
    const expected = this.next.get(key) ?? 0;
    if (text !== textOf(expected)) {
      this.wish.report(`${key}: ${expected} is next, got ${text.substring(0, 20)}`);
      this.next.set(key, Number.parseInt(text, 10));
    }
    this.next.set(key, this.next.get(key)! + 1);
  }

  private get isComplete(): boolean {
    const { counts } = this;
    if (counts === null) return false;
    return [...this.next].every(([key, next]) => next >= counts[Number(key.split(":")[1])]!);
  }
}
