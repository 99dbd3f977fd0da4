/**
 * Publishers of numbered messages, and subscribers of every kind that must get each number once and in order, whatever
 * happens to the proxy in between. Any surprise is kept as an error.
 */
import { RespClient } from "./resp-client.ts";
import type { Endpoint } from "./server-process.ts";

/** Messages of one publisher that wait for their reply. */
const IN_FLIGHT = 8;
const PAYLOAD = "x".repeat(50);

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
      news.publishers.push(await Publisher.start(endpoint, `news:${i}`, report));
    }
    return news;
  }

  /** Messages that were published so far. */
  get published(): number {
    return this.publishers.reduce((sum, { count }) => sum + count, 0);
  }

  /** Ends the publishers, and waits until every subscriber has everything. */
  async stop(): Promise<void> {
    const counts = await Promise.all(this.publishers.map((publisher) => publisher.stop()));
    await Promise.all(this.subscribers.map((subscriber) => subscriber.stop(counts)));
  }
}

class Publisher {
  count = 0;
  private isStopping = false;
  private running: Promise<void> = Promise.resolve();

  static async start(
    endpoint: Endpoint,
    channel: string,
    report: (text: string) => void,
  ): Promise<Publisher> {
    const publisher = new Publisher();
    const client = await RespClient.connect(endpoint);
    publisher.running = publisher
      .run(client, channel)
      .catch((error: Error) => report(error.message))
      .finally(() => client.close());
    return publisher;
  }

  async stop(): Promise<number> {
    this.isStopping = true;
    await this.running;
    return this.count;
  }

  private async run(client: RespClient, channel: string): Promise<void> {
    while (!this.isStopping) {
      for (let i = 0; i < IN_FLIGHT; i++) {
        client.command(["PUBLISH", channel, `${this.count++}:${PAYLOAD}`]);
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
    const expected = this.next.get(key);
    if (text !== `${expected}:${PAYLOAD}`) {
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
