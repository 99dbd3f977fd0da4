/**
 * A shared subscription's line to one server: what is subscribed there, and the requests that the server has not answered yet.
 *
 * Replies come in the order of the requests and messages come in between, so a reply also says which messages came before
 * it. That is why even those who need nothing of the server (another client has subscribed to the same) send it something
 * and wait: a `barrier`.
 */
import type {
  ConnectionKind,
  Failure,
  LeftSubscriber,
  SubscriberConnection,
  SubscriberEvents,
  Upstream,
} from "../../../../api/upstream.ts";
import { Bits } from "../../../../base/bits.ts";
import { copyOf } from "../../../../base/copy-of.ts";
import { PUBSUB_IDLE_MS, PUBSUB_SILENCE_MS } from "../../../../base/limits.ts";
import type { Turn } from "../../../../base/turn.ts";
import type { Cluster } from "../../cluster/cluster.ts";
import { encodeError, encodeRequest } from "../../codec/encode.ts";
import { Frame } from "./frame.ts";
import { type Kind, SUBSCRIBE, UNSUBSCRIBE } from "./kinds.ts";
import { Renewal } from "./renewal.ts";
import type { Topic } from "./topic.ts";
import type { TopicTable } from "./topic-table.ts";

/** How a request ended: null: well; bytes: the server's error; else: the server was not to be reached. */
export type Outcome = Buffer | Failure | null;
export type Done = (outcome: Outcome) => void;

interface Operation {
  readonly verb: "subscribe" | "unsubscribe" | "barrier";
  readonly kind: Kind;
  readonly topics: readonly Topic[];
  /** So many of `topics` are confirmed. */
  confirmed: number;
  readonly onDone: Done;
}

export interface ServerSubscriptionOptions {
  /** The kind of connection that it goes over. */
  readonly variant: ConnectionKind;
  readonly turn: Turn;
  /** See RedisPool. */
  readonly cluster: Cluster | null;
  /** Asks for a look at what may be late, at `atMs` by the clock of `turn` or before. */
  lookBy(atMs: number): void;
}

/** What a server subscription tells the shared subscription it belongs to. */
export interface ServerSubscriptionEvents {
  /** What its clients are subscribed to. */
  readonly topics: TopicTable;
  /** A message for the subscribers of `name` is bytes[start, end). */
  onMessage(kind: Kind, name: string, bytes: Buffer, start: number, end: number): void;
  /** `server` says with `error` (kept) that these shard channels are, or may be, elsewhere; `onDone`: they are subscribed, or not */
  onElsewhere(server: Upstream, topics: readonly Topic[], error: Buffer, onDone: Done): void;
  /** A server does not let those subscribe again who were subscribed when the connection was lost. */
  onResubscribeDenied(topic: Topic): void;
}

const ELSEWHERE = /^-(MOVED|ASK|CLUSTERDOWN|TRYAGAIN|LOADING|MASTERDOWN) /;
const NOT_HERE: Buffer = encodeError("CLUSTERDOWN the slot is elsewhere");
const PING: Buffer = encodeRequest("PING");
const frame: Frame = new Frame();

export class ServerSubscription implements SubscriberEvents {
  readonly upstream: Upstream;
  readonly connection: SubscriberConnection;

  private readonly options: ServerSubscriptionOptions;
  private readonly events: ServerSubscriptionEvents;
  /** Numbers of the topics that shall be subscribed here. */
  private readonly wanted: Bits = new Bits();
  /** Numbers of those that the server has confirmed, on the connection that stands now. */
  private readonly on: Bits = new Bits();
  /** Sent, not answered; the oldest first. */
  private operations: Operation[] = [];
  /** To be sent once the connection stands. */
  private waiting: Operation[] = [];
  /** Subscribed on a connection that was adopted, although no client here is. */
  private unwanted: Topic[] = [];
  private renewal: Renewal | null = null;
  /** When the server said something last. */
  private heardMs: number;
  /** When `wanted` became empty last. */
  private unusedSinceMs: number;

  constructor(
    upstream: Upstream,
    options: ServerSubscriptionOptions,
    events: ServerSubscriptionEvents,
  ) {
    this.upstream = upstream;
    this.options = options;
    this.events = events;
    const { nowMs } = options.turn;
    this.heardMs = nowMs;
    this.unusedSinceMs = nowMs;
    this.connection = upstream.subscriber(options.variant, this);
    options.lookBy(this.idleDueMs);
  }

  /** Nothing is asked that is not answered, or still to be asked. */
  get isQuiet(): boolean {
    return this.operations.length === 0 && this.waiting.length === 0 && this.renewal === null;
  }

  wants(topic: Topic): boolean {
    return this.wanted.has(topic.number);
  }

  /** The server has confirmed it, on the connection that stands now. */
  hasOn(topic: Topic): boolean {
    return this.on.has(topic.number);
  }

  /** `topics` are of one kind. `onDone` may be called at once. */
  subscribe(kind: Kind, topics: readonly Topic[], onDone: Done): void {
    for (const topic of topics) this.wanted.add(topic.number);
    this.beginEach("subscribe", kind, topics, onDone);
  }

  /** A node of a cluster takes shard channels of one slot in one request only, so each goes alone. */
  private beginEach(
    verb: "subscribe" | "unsubscribe",
    kind: Kind,
    topics: readonly Topic[],
    onDone: Done,
  ): void {
    if (this.options.cluster === null || kind !== "shard") {
      this.begin({ verb, kind, topics, confirmed: 0, onDone });
      return;
    }
    let missing = topics.length;
    let fault: Outcome = null;
    if (missing === 0) onDone(null);
    const ended = (outcome: Outcome): void => {
      fault ??= outcome;
      if (--missing === 0) onDone(fault);
    };
    for (const topic of topics) {
      const end = (outcome: Outcome): void => {
        const isElsewhere =
          Buffer.isBuffer(outcome) &&
          verb === "subscribe" &&
          ELSEWHERE.test(outcome.toString("latin1", 0, 16));
        if (!isElsewhere) ended(outcome);
        else {
          this.unwant(topic.number);
          this.events.onElsewhere(this.upstream, [topic], outcome, ended);
        }
      };
      this.begin({ verb, kind, topics: [topic], confirmed: 0, onDone: end });
    }
  }

  /** Like `subscribe`, but if the server is not to be reached now, it is done later. */
  want(kind: Kind, topics: readonly Topic[]): void {
    for (const topic of topics) this.wanted.add(topic.number);
    if (this.connection.isUp) this.subscribeAgain(kind, topics, () => {});
  }

  unsubscribe(kind: Kind, topics: readonly Topic[], onDone: Done): void {
    for (const topic of topics) this.unwant(topic.number);
    if (!this.connection.isUp) onDone(null);
    else this.beginEach("unsubscribe", kind, topics, onDone);
  }

  /** Another topic may get its number. */
  forget({ number }: Topic): void {
    this.unwant(number);
    this.on.delete(number);
  }

  private unwant(number: number): void {
    if (!this.wanted.has(number)) return;
    this.wanted.delete(number);
    if (this.wanted.size > 0) return;
    this.unusedSinceMs = this.options.turn.nowMs;
    this.options.lookBy(this.unusedSinceMs + PUBSUB_IDLE_MS);
  }

  /** Calls back when everything that the server has sent so far has come. */
  barrier(onDone: Done): void {
    if (!this.connection.isUp) onDone(null);
    else this.begin({ verb: "barrier", kind: "channel", topics: [], confirmed: 0, onDone });
  }

  private begin(operation: Operation): void {
    const { connection } = this;
    if (connection.isUp) this.send(operation);
    else if (connection.refusal !== null) operation.onDone(connection.refusal);
    else this.waiting.push(operation);
  }

  private send(operation: Operation): void {
    const { verb, kind, topics } = operation;
    if (verb !== "barrier" && topics.length === 0) {
      operation.onDone(null);
      return;
    }
    this.operations.push(operation);
    if (verb === "barrier") {
      this.connection.ask(PING);
      return;
    }
    const word = verb === "subscribe" ? SUBSCRIBE[kind] : UNSUBSCRIBE[kind];
    this.connection.ask(requestOf(word, topics));
  }

  // The connection

  /** Goes on with a connection that another process has left; `setOn` has told what is subscribed on it. */
  adopt(left: LeftSubscriber): void {
    this.connection.adopt(left);
  }

  /** To be called before `adopt`. A topic without a number is one that no client here is subscribed to. */
  setOn(topic: Topic): void {
    if (this.wants(topic)) this.on.add(topic.number);
    else this.unwanted.push(topic);
  }

  onUp(): void {
    this.heardMs = this.options.turn.nowMs;
    // What is asked now may be answered by then.
    this.options.lookBy(this.heardMs + PUBSUB_SILENCE_MS);
    const { waiting, unwanted } = this;
    this.waiting = [];
    this.unwanted = [];
    this.renewal = new Renewal(this, {
      ...{ topics: this.events.topics, unwanted },
      awaited: new Set(waiting.flatMap(({ topics }) => topics)),
      onDone: () => {
        this.renewal = null;
      },
    });
    this.renewal.start();
    for (const operation of waiting) {
      // Some of them may not be wanted any more.
      const topics = operation.topics.filter((topic) => this.wants(topic));
      this.send({ ...operation, topics });
    }
  }

  /** Calls back when the server has answered, or is lost. */
  subscribeAgain(kind: Kind, topics: readonly Topic[], onDone: () => void): void {
    this.subscribe(kind, topics, (outcome) => {
      if (Buffer.isBuffer(outcome)) this.onDenied(kind, topics);
      onDone();
    });
  }

  /** Which of `topics` the server does not allow is not said. */
  private onDenied(kind: Kind, topics: readonly Topic[]): void {
    const [first] = topics;
    if (topics.length === 1) {
      this.events.onResubscribeDenied(first!);
      return;
    }
    for (const topic of topics) if (this.wants(topic)) this.subscribeAgain(kind, [topic], () => {});
  }

  onDown(failure: Failure): void {
    this.unwanted = [];
    this.on.clear();
    this.renewal?.stop();
    this.renewal = null;
    const lost = [...this.operations, ...this.waiting];
    this.operations = [];
    this.waiting = [];
    for (const { onDone } of lost) onDone(failure);
  }

  /** Closes the connection for good: a client that waits for something from it hears that nothing came. */
  abandon(why: string): void {
    this.connection.discard();
    this.onDown({ kind: "timeout", wasSent: true, text: `Connection timed out (${why})` });
  }

  onMessage(bytes: Buffer, start: number, end: number): void {
    this.heardMs = this.options.turn.nowMs;
    frame.read(bytes, start, end);
    if (frame.type === "message") {
      const name = bytes.toString("latin1", frame.nameStart, frame.nameEnd);
      this.events.onMessage(frame.kind, name, bytes, start, end);
      return;
    }
    const operation = this.operations[0];
    if (operation === undefined || !this.isFor(operation, bytes)) {
      if (this.hasMovedAway(bytes)) return;
      this.connection.resetProtocol();
      return;
    }
    if (frame.type === "error") this.end(operation, copyOf(bytes, start, end));
    else if (frame.type === "pong") this.end(operation, null);
    else this.confirm(operation);
  }

  /** A node of a cluster that gives a slot away ends the subscriptions to its shard channels unasked. */
  private hasMovedAway(bytes: Buffer): boolean {
    const isOne = frame.type === "unsubscribed" && frame.kind === "shard";
    if (!isOne || this.options.cluster === null) return false;
    const name = bytes.toString("latin1", frame.nameStart, frame.nameEnd);
    const topic = this.events.topics.find("shard", name);
    if (topic === undefined || !this.hasOn(topic)) return true;
    this.on.delete(topic.number);
    this.unwant(topic.number);
    this.events.onElsewhere(this.upstream, [topic], NOT_HERE, () => {});
    return true;
  }

  /** What was read answers `operation`. */
  private isFor({ verb, kind, topics, confirmed }: Operation, bytes: Buffer): boolean {
    if (frame.type === "error") return confirmed === 0;
    if (frame.type === "pong") return verb === "barrier";
    const type = verb === "subscribe" ? "subscribed" : "unsubscribed";
    const name = topics[confirmed]?.name;
    return (
      frame.type === type &&
      frame.kind === kind &&
      name === bytes.toString("latin1", frame.nameStart, frame.nameEnd)
    );
  }

  private confirm(operation: Operation): void {
    const { number } = operation.topics[operation.confirmed++]!;
    if (number >= 0) {
      if (operation.verb === "subscribe") this.on.add(number);
      else this.on.delete(number);
    }
    if (operation.confirmed === operation.topics.length) this.end(operation, null);
  }

  private end(operation: Operation, outcome: Outcome): void {
    this.operations.shift();
    operation.onDone(outcome);
  }

  /** When to look next; Infinity: nothing here can be late. */
  get dueMs(): number {
    return Math.min(this.silenceDueMs, this.idleDueMs);
  }

  private get silenceDueMs(): number {
    if (!this.connection.isUp) return Number.POSITIVE_INFINITY;
    return this.heardMs + (this.isQuiet ? PUBSUB_SILENCE_MS : 2 * PUBSUB_SILENCE_MS);
  }

  /** Nothing has been subscribed here for long enough then. */
  private get idleDueMs(): number {
    if (this.wanted.size > 0) return Number.POSITIVE_INFINITY;
    // What is asked is waited for, or the connection is given up.
    if (!this.isQuiet && this.connection.isUp) return Number.POSITIVE_INFINITY;
    return this.unusedSinceMs + PUBSUB_IDLE_MS;
  }

  /** Asks a server that is silent for a sign of life, and gives the connection up if it was asked. */
  checkSilence(nowMs: number): void {
    if (nowMs < this.silenceDueMs) return;
    if (this.isQuiet) this.barrier(() => {});
    else this.connection.giveUp(nowMs - this.heardMs);
  }

  /** Nothing has been subscribed here for a while. */
  hasIdled(nowMs: number): boolean {
    return nowMs >= this.idleDueMs;
  }
}

/** Names are texts of one character per byte. */
function requestOf(word: string, topics: readonly Topic[]): Buffer {
  const bulks = topics.map(({ name }) => `$${name.length}\r\n${name}\r\n`);
  const head = `*${topics.length + 1}\r\n$${word.length}\r\n${word}\r\n`;
  return Buffer.from(head + bulks.join(""), "latin1");
}
