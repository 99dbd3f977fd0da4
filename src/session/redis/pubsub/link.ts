/**
 * A hub's line to one server: what is subscribed there, and the requests that the server has not answered yet.
 *
 * Replies come in the order of the requests and messages come in between, so a reply also says which messages came before
 * it. That is why even those who need nothing of the server (somebody else has subscribed to the same) send it something
 * and wait: a `barrier`.
 */
import type {
  Failure,
  LeftSubscriber,
  SubscriberConnection,
  SubscriberEvents,
  Upstream,
} from "../../../api/upstream.ts";
import { copyOf } from "../../../base/copy-of.ts";
import { PUBSUB_IDLE_MS, PUBSUB_SILENCE_MS, SUBSCRIBE_NAMES_MAX } from "../../../base/limits.ts";
import { encodeRequest } from "../../../protocol/redis/encode.ts";
import { Frame } from "./frame.ts";
import { KINDS, type Kind, SUBSCRIBE, UNSUBSCRIBE } from "./kinds.ts";
import { type Home, Topic } from "./topic.ts";

/** A topic that is subscribed on a connection. Plain JSON data. */
export type SavedTopic = readonly [kind: Kind, name: string];

/** How a request ended: null: well; bytes: the server's error; else: the server was not to be reached. */
export type Outcome = Buffer | Failure | null;
type Done = (outcome: Outcome) => void;

interface Operation {
  readonly verb: "subscribe" | "unsubscribe" | "barrier";
  readonly kind: Kind;
  readonly homes: readonly Home[];
  /** So many of `homes` are confirmed. */
  confirmed: number;
  readonly onDone: Done;
}

/** What a link tells the hub it belongs to. */
export interface LinkEvents {
  /** A message for the subscribers of `name` is bytes[start, end). */
  onMessage(kind: Kind, name: string, bytes: Buffer, start: number, end: number): void;
  /** A server does not let those subscribe again who were subscribed when the connection was lost. */
  onBarred(home: Home): void;
}

const PING: Buffer = encodeRequest("PING");
const frame: Frame = new Frame();

export class Link implements SubscriberEvents {
  readonly upstream: Upstream;
  readonly connection: SubscriberConnection;
  /** What shall be subscribed here. */
  readonly homes: Set<Home> = new Set();

  private readonly events: LinkEvents;
  /** Sent, not answered; the oldest first. */
  private operations: Operation[] = [];
  /** To be sent once the connection stands. */
  private waiting: Operation[] = [];
  /** Subscribed on a connection that was adopted, although nobody here wants it. */
  private strays: Home[] = [];
  private hasHeard = true;
  private heardMs = 0;
  /** Since when nothing is subscribed here; -1: something is. */
  private idleSinceMs = -1;

  constructor(upstream: Upstream, variant: number, events: LinkEvents) {
    this.upstream = upstream;
    this.events = events;
    this.connection = upstream.subscriber(variant, this);
  }

  /** Nothing is asked that is not answered. */
  get isQuiet(): boolean {
    return this.operations.length === 0 && this.waiting.length === 0;
  }

  /** `homes` are of one kind. `onDone` may be called at once. */
  subscribe(kind: Kind, homes: readonly Home[], onDone: Done): void {
    for (const home of homes) this.homes.add(home);
    this.begin({ verb: "subscribe", kind, homes, confirmed: 0, onDone });
  }

  /** Like `subscribe`, but if the server is not to be reached now, it is done later. */
  want(kind: Kind, homes: readonly Home[]): void {
    for (const home of homes) this.homes.add(home);
    if (this.connection.isUp) this.subscribeAgain(kind, homes);
  }

  unsubscribe(kind: Kind, homes: readonly Home[], onDone: Done): void {
    for (const home of homes) this.homes.delete(home);
    if (!this.connection.isUp) onDone(null);
    else this.begin({ verb: "unsubscribe", kind, homes, confirmed: 0, onDone });
  }

  /** Calls back when everything that the server has sent so far has come. */
  barrier(onDone: Done): void {
    if (!this.connection.isUp) onDone(null);
    else this.begin({ verb: "barrier", kind: "channel", homes: [], confirmed: 0, onDone });
  }

  private begin(operation: Operation): void {
    const { connection } = this;
    if (connection.isUp) this.send(operation);
    else if (connection.refusal !== null) operation.onDone(connection.refusal);
    else this.waiting.push(operation);
  }

  private send(operation: Operation): void {
    const { verb, kind, homes } = operation;
    if (verb !== "barrier" && homes.length === 0) {
      operation.onDone(null);
      return;
    }
    this.operations.push(operation);
    if (verb === "barrier") {
      this.connection.ask(PING);
      return;
    }
    const word = verb === "subscribe" ? SUBSCRIBE[kind] : UNSUBSCRIBE[kind];
    this.connection.ask(requestOf(word, homes));
  }

  // The connection

  /** What is subscribed on the connection. While `isQuiet`. */
  get topics(): SavedTopic[] {
    return [...this.homes]
      .filter(({ isOn }) => isOn)
      .map(({ topic: { kind, name } }) => [kind, name]);
  }

  /** Goes on with a connection that another process has left, on which `topics` are subscribed. */
  adopt(left: LeftSubscriber, topics: readonly SavedTopic[]): void {
    const wanted = new Map([...this.homes].map((home) => [keyOf(home.topic), home]));
    for (const [kind, name] of topics) {
      const topic = new Topic(kind, name);
      const home = wanted.get(keyOf(topic));
      if (home !== undefined) home.isOn = true;
      else this.strays.push({ topic, link: this, isOn: true });
    }
    this.connection.adopt(left);
  }

  onUp(): void {
    this.hasHeard = true;
    for (const kind of KINDS) {
      const strays = this.strays.filter(({ topic }) => topic.kind === kind);
      if (strays.length > 0) this.unsubscribe(kind, strays, () => {});
    }
    this.strays = [];
    const { waiting } = this;
    this.waiting = [];
    const awaited = new Set(waiting.flatMap(({ homes }) => homes));
    const again = [...this.homes].filter((home) => !home.isOn && !awaited.has(home));
    for (const kind of KINDS) {
      const homes = again.filter(({ topic }) => topic.kind === kind);
      while (homes.length > 0) this.subscribeAgain(kind, homes.splice(0, SUBSCRIBE_NAMES_MAX));
    }
    for (const operation of waiting) {
      // Nobody may want some of them any more.
      const homes = operation.homes.filter((home) => this.homes.has(home));
      this.send({ ...operation, homes });
    }
  }

  private subscribeAgain(kind: Kind, homes: readonly Home[]): void {
    const onDone = (outcome: Outcome): void => {
      if (!Buffer.isBuffer(outcome)) return;
      // Which of them it was is not said.
      if (homes.length === 1) this.events.onBarred(homes[0]!);
      else for (const home of homes) if (this.homes.has(home)) this.subscribeAgain(kind, [home]);
    };
    this.subscribe(kind, homes, onDone);
  }

  onDown(failure: Failure): void {
    this.strays = [];
    for (const home of this.homes) home.isOn = false;
    const lost = [...this.operations, ...this.waiting];
    this.operations = [];
    this.waiting = [];
    for (const { homes, onDone } of lost) {
      for (const home of homes) home.isOn = false;
      onDone(failure);
    }
  }

  /** Closes the connection for good: whoever waits for something from it hears that nothing came. */
  forsake(): void {
    this.connection.discard();
    const why = `server ${this.upstream.name} did not answer before its clients were moved`;
    this.onDown({ kind: "timeout", wasSent: true, text: `Connection timed out (${why})` });
  }

  onMessage(bytes: Buffer, start: number, end: number): void {
    this.hasHeard = true;
    frame.read(bytes, start, end);
    if (frame.type === "message") {
      const name = bytes.toString("latin1", frame.nameStart, frame.nameEnd);
      this.events.onMessage(frame.kind, name, bytes, start, end);
      return;
    }
    const operation = this.operations[0];
    if (operation === undefined || !this.isFor(operation, bytes)) {
      this.connection.distrust();
      return;
    }
    if (frame.type === "error") this.end(operation, copyOf(bytes, start, end));
    else if (frame.type === "pong") this.end(operation, null);
    else this.confirm(operation);
  }

  /** What was read answers `operation`. */
  private isFor({ verb, kind, homes, confirmed }: Operation, bytes: Buffer): boolean {
    if (frame.type === "error") return confirmed === 0;
    if (frame.type === "pong") return verb === "barrier";
    const type = verb === "subscribe" ? "subscribed" : "unsubscribed";
    const name = homes[confirmed]?.topic.name;
    return (
      frame.type === type &&
      frame.kind === kind &&
      name === bytes.toString("latin1", frame.nameStart, frame.nameEnd)
    );
  }

  private confirm(operation: Operation): void {
    operation.homes[operation.confirmed++]!.isOn = operation.verb === "subscribe";
    if (operation.confirmed === operation.homes.length) this.end(operation, null);
  }

  private end(operation: Operation, outcome: Outcome): void {
    this.operations.shift();
    operation.onDone(outcome);
  }

  /** A connection that is silent although it was asked is given up. To be called every few milliseconds. */
  checkDeadlines(nowMs: number): void {
    if (this.hasHeard || !this.connection.isUp) {
      this.hasHeard = false;
      this.heardMs = nowMs;
      return;
    }
    const silentMs = nowMs - this.heardMs;
    if (silentMs > 2 * PUBSUB_SILENCE_MS) this.connection.giveUp(silentMs);
    else if (silentMs > PUBSUB_SILENCE_MS && this.isQuiet) this.barrier(() => {});
  }

  /** Nothing has been subscribed here for a while. */
  hasIdled(nowMs: number): boolean {
    if (this.homes.size > 0 || !this.isQuiet) this.idleSinceMs = -1;
    else if (this.idleSinceMs < 0) this.idleSinceMs = nowMs;
    return this.idleSinceMs >= 0 && nowMs - this.idleSinceMs > PUBSUB_IDLE_MS;
  }
}

function keyOf({ kind, name }: Topic): string {
  return `${kind} ${name}`;
}

/** Names are texts of one character per byte. */
function requestOf(word: string, homes: readonly Home[]): Buffer {
  const bulks = homes.map(({ topic: { name } }) => `$${name.length}\r\n${name}\r\n`);
  const head = `*${homes.length + 1}\r\n$${word.length}\r\n${word}\r\n`;
  return Buffer.from(head + bulks.join(""), "latin1");
}
