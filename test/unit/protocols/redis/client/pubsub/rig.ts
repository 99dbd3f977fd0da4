/** Servers with subscriptions, as far as a shared subscription sees them, and clients that share a shared subscription. The test plays the network. */
import type {
  Failure,
  LeftSubscriber,
  SubscriberConnection,
  SubscriberEvents,
  Upstream,
} from "../../../../../../src/api/upstream.ts";
import { PoolLanes } from "../../../../../../src/client/client-lane.ts";
import { Session } from "../../../../../../src/client/session.ts";
import { RedisFrontend } from "../../../../../../src/protocols/redis/client/redis-frontend.ts";
import { RequestScanner } from "../../../../../../src/protocols/redis/codec/request-scanner.ts";
import { RequestView } from "../../../../../../src/protocols/redis/codec/request-view.ts";
import { unboundedMemory } from "../../../../../support/client-memory.ts";
import { deliver } from "../../../../../support/deliver.ts";
import { replyEnd } from "../../../../../support/resp-client.ts";
import { FakeStream } from "../../../../client/fake-stream.ts";
import { createRig, multibulk, type Rig } from "../../../../client/session-rig.ts";

const LOST: Failure = { kind: "closed", wasSent: true, text: "lost" };
const VERBS = /^(p|s)?(un)?subscribe$/;

function bulk(text: string): string {
  return `$${text.length}\r\n${text}\r\n`;
}

/** A pattern of these tests is a prefix and a star. */
export function fits(pattern: string, channel: string): boolean {
  return channel.startsWith(pattern.replace(/\*$/, ""));
}

/** One shared subscription's connection to one server; requests and frames wait until the test lets them pass. */
export class FakeLine implements SubscriberConnection {
  isUp = false;
  refusal: Failure | null = null;
  isFull = false;
  isClosed = false;
  isDistrusted = false;
  adopted: LeftSubscriber | null = null;
  readonly isMovable: boolean = true;
  readonly fd: number = 9;
  readonly unread: Buffer = Buffer.alloc(0);
  /** By kind: what the server has. */
  readonly topics: Record<string, Set<string>> = { "": new Set(), p: new Set(), s: new Set() };
  /** Requests that the server has not seen. */
  readonly requests: string[][] = [];
  /** What the server has sent and nobody has received. */
  readonly frames: string[] = [];
  /** Names that the server does not let anybody subscribe to. */
  readonly denied: Set<string> = new Set();
  private readonly events: SubscriberEvents;

  constructor(events: SubscriberEvents) {
    this.events = events;
  }

  open(): void {}
  waitForRoom(): void {}
  pause(): void {}
  leave(): void {}

  adopt(left: LeftSubscriber): void {
    this.adopted = left;
    this.isUp = true;
    this.events.onUp();
  }

  ask(bytes: Buffer): void {
    if (!this.isUp) throw new Error("asked while it is down");
    const view = new RequestView();
    new RequestScanner().scan(bytes, 0, bytes.length, view);
    if (view.end !== bytes.length) throw new Error(`no request: ${bytes}`);
    this.requests.push(Array.from({ length: view.count }, (_, i) => view.text(i)));
  }

  resetProtocol(): void {
    this.isDistrusted = true;
    this.lose();
  }

  giveUp(): void {
    this.lose();
  }

  discard(): void {
    this.isClosed = true;
    this.isUp = false;
    this.clear();
  }

  // What the test does

  connect(): void {
    if (this.isUp || this.isClosed) return;
    this.isUp = true;
    this.refusal = null;
    this.events.onUp();
  }

  lose(refusal: Failure | null = null): void {
    if (this.isClosed) return;
    this.isUp = false;
    this.refusal = refusal;
    this.clear();
    this.events.onDown(refusal ?? LOST);
  }

  private clear(): void {
    this.requests.length = 0;
    this.frames.length = 0;
    for (const topics of Object.values(this.topics)) topics.clear();
  }

  /** The server takes its oldest request. */
  process(): void {
    const [verb = "", ...names] = this.requests.shift() ?? [];
    if (verb === "PING") {
      this.frames.push(this.subscriptions === 0 ? "+PONG\r\n" : `*2\r\n${bulk("pong")}${bulk("")}`);
      return;
    }
    const [, kind = "", un] = VERBS.exec(verb) ?? [];
    if (names.some((name) => this.denied.has(name))) {
      this.frames.push("-NOPERM no\r\n");
      return;
    }
    for (const name of names) {
      if (un === undefined) this.topics[kind]!.add(name);
      else this.topics[kind]!.delete(name);
      this.frames.push(`*3\r\n${bulk(verb)}${bulk(name)}:${this.subscriptions}\r\n`);
    }
  }

  private get subscriptions(): number {
    return Object.values(this.topics).reduce((sum, { size }) => sum + size, 0);
  }

  /** Somebody publishes on the server. @returns copies that it sends here */
  publish(channel: string, payload: string): number {
    if (!this.isUp) return 0;
    const before = this.frames.length;
    if (this.topics[""]!.has(channel)) {
      this.frames.push(`*3\r\n${bulk("message")}${bulk(channel)}${bulk(payload)}`);
    }
    for (const pattern of this.topics["p"]!) {
      if (!fits(pattern, channel)) continue;
      const parts = ["pmessage", pattern, channel, payload].map(bulk);
      this.frames.push(`*4\r\n${parts.join("")}`);
    }
    return this.frames.length - before;
  }

  /** The oldest frames arrive, in one chunk. */
  deliver(count: number): void {
    const frames = this.frames.splice(0, count);
    const chunk = Buffer.from(`before${frames.join("")}after`, "latin1");
    let at = "before".length;
    for (const frame of frames) {
      if (!this.isUp) return;
      this.events.onMessage(chunk, at, at + frame.length);
      at += frame.length;
    }
  }
}

/** Clients of one pool; the first one is the rig's own. */
export class PubSubRig {
  readonly rig: Rig;
  /** By server: its lines, the last one being the one in use. */
  readonly lines: FakeLine[][] = [];
  readonly clients: FakeClient[] = [];

  constructor(servers: number, options: { timeoutMs?: number } = {}) {
    for (let i = 0; i < servers; i++) this.lines.push([]);
    this.rig = createRig({
      servers,
      ...options,
      subscriber: ({ id }: Upstream, events) => {
        const line = new FakeLine(events);
        this.lines[id]!.push(line);
        return line;
      },
    });
  }

  /** The line to server `index` that is in use. */
  line(index: number): FakeLine {
    const line = this.lines[index]?.at(-1);
    if (line === undefined) throw new Error(`nobody has connected to server ${index}`);
    return line;
  }

  connect(version: 2 | 3 = 2): FakeClient {
    const client = new FakeClient(this.rig, version);
    this.clients.push(client);
    return client;
  }

  /** Everything that waits anywhere passes, until nothing moves. */
  async settle(): Promise<void> {
    for (let idle = 0; idle < 3; idle++) {
      await this.rig.turn();
      for (const line of this.lines.map((all) => all.at(-1))) {
        if (line === undefined || line.isClosed) continue;
        if (!line.isUp || line.requests.length + line.frames.length > 0) idle = 0;
        line.connect();
        while (line.requests.length > 0) line.process();
        line.deliver(line.frames.length);
      }
      await this.rig.turn();
    }
  }
}

export class FakeClient {
  readonly version: 2 | 3;
  readonly session: Session;
  readonly frontend: RedisFrontend;
  readonly stream: FakeStream = new FakeStream();
  isClosed = false;
  private taken = 0;

  constructor({ pool, counters, timers }: Rig, version: 2 | 3) {
    this.version = version;
    const { stream } = this;
    const host = {
      ...{ turn: pool.turn, counters, countersBase: 0 },
      times: null,
      lanes: new PoolLanes(),
      memory: unboundedMemory(pool.turn),
      schedule: (_delayMs: number, callback: () => void) => {
        timers.push(callback);
        return () => {};
      },
      onSessionCut: () => {},
      nextClientId: () => 1,
      onSessionClosed: () => {
        this.isClosed = true;
      },
    };
    this.session = new Session(host, stream, 0);
    stream.onClose = () => this.session.onClose("");
    this.frontend = new RedisFrontend(pool, this.session);
    this.session.attach(this.frontend);
    this.frontend.switchTo({ version });
  }

  ask(...args: string[]): void {
    deliver(this.session, Buffer.from(multibulk(args), "latin1"), false);
  }

  /** What came since the last time, one frame each; "*3 message a 1" for readability. */
  take(): string[] {
    const output = Buffer.from(this.stream.output, "latin1");
    const frames: string[] = [];
    while (this.taken < output.length) {
      const end = replyEnd(output, this.taken);
      if (end < 0) throw new Error("half a frame");
      frames.push(shown(output.toString("latin1", this.taken, end)));
      this.taken = end;
    }
    return frames;
  }

  get isIdle(): boolean {
    return this.session.isIdle;
  }
}

/** Without lengths: "*3 message a 1". */
function shown(frame: string): string {
  return frame
    .split("\r\n")
    .filter((line) => line !== "" && !/^\$\d+$/.test(line))
    .join(" ");
}
