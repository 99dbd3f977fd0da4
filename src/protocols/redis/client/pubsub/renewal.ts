/**
 * Brings a connection that stands anew to what shall be subscribed on it: first it takes back what is too much, then it
 * subscribes what is missing.
 *
 * That may be hundreds of thousands of names. They go in requests of SUBSCRIBE_NAMES_MAX, few at a time, each when one
 * before it has been answered: so neither the event loop nor the connection's queue is full of them.
 */
import { RENEWALS_AT_ONCE, SUBSCRIBE_NAMES_MAX } from "../../../../base/limits.ts";
import { KINDS, type Kind } from "./kinds.ts";
import type { Topic } from "./topic.ts";
import type { TopicTable } from "./topic-table.ts";

/** Topics that are looked at in one piece. */
const LOOKED_AT_ONCE = 4000;

/** What it needs of a ServerSubscription. */
export interface RenewedSubscription {
  wants(topic: Topic): boolean;
  /** The server has confirmed it, on the connection that stands now. */
  hasOn(topic: Topic): boolean;
  /** Calls back when the server has answered, or is lost. */
  subscribeAgain(kind: Kind, topics: readonly Topic[], onDone: () => void): void;
  unsubscribe(kind: Kind, topics: readonly Topic[], onDone: () => void): void;
  barrier(onDone: () => void): void;
}

export interface RenewalOptions {
  readonly topics: TopicTable;
  /** Subscribed, and not wanted. */
  readonly unwanted: readonly Topic[];
  /** Requested by others already. */
  readonly awaited: ReadonlySet<Topic>;
  /** All is asked for and answered. */
  onDone(): void;
}

/** What one request is about. Of no topics: nothing was found for a while, and others shall have their turn. */
interface Part {
  readonly verb: "subscribe" | "unsubscribe";
  readonly kind: Kind;
  readonly topics: readonly Topic[];
}

export class Renewal {
  private readonly subscription: RenewedSubscription;
  private readonly options: RenewalOptions;
  private readonly parts: Iterator<Part>;
  private underWay = 0;
  private isStopped = false;

  constructor(subscription: RenewedSubscription, options: RenewalOptions) {
    this.subscription = subscription;
    this.options = options;
    this.parts = this.find();
  }

  start(): void {
    // Counted as under way itself, so that it is not done before it has begun.
    this.underWay++;
    for (let i = 0; i < RENEWALS_AT_ONCE; i++) this.askNext();
    this.answered();
  }

  /** The connection is lost. */
  stop(): void {
    this.isStopped = true;
  }

  private askNext(): void {
    const { done, value } = this.parts.next();
    if (done === true) return;
    this.underWay++;
    const { verb, kind, topics } = value as Part;
    const onAnswer = (): void => {
      if (this.isStopped) return;
      this.askNext();
      this.answered();
    };
    if (topics.length === 0) this.subscription.barrier(onAnswer);
    else if (verb === "subscribe") this.subscription.subscribeAgain(kind, topics, onAnswer);
    else this.subscription.unsubscribe(kind, topics, onAnswer);
  }

  private answered(): void {
    if (--this.underWay === 0 && !this.isStopped) this.options.onDone();
  }

  private *find(): Generator<Part, void> {
    const { subscription, options } = this;
    for (const kind of KINDS) {
      const unwanted = options.unwanted.filter((topic) => topic.kind === kind);
      while (unwanted.length > 0) {
        yield { verb: "unsubscribe", kind, topics: unwanted.splice(0, SUBSCRIBE_NAMES_MAX) };
      }
    }
    for (const kind of KINDS) {
      let topics: Topic[] = [];
      let looked = 0;
      for (const topic of options.topics.of(kind)) {
        if (++looked % LOOKED_AT_ONCE === 0 && topics.length === 0)
          yield { verb: "subscribe", kind, topics };
        if (!subscription.wants(topic) || subscription.hasOn(topic) || options.awaited.has(topic))
          continue;
        topics.push(topic);
        if (topics.length < SUBSCRIBE_NAMES_MAX) continue;
        yield { verb: "subscribe", kind, topics };
        topics = [];
      }
      if (topics.length > 0) yield { verb: "subscribe", kind, topics };
    }
  }
}
