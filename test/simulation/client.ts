/** A client of the simulation: when it asks, how it reads, and how it leaves. What it asks is its protocol's. */
import type { Checker } from "./checker.ts";
import { KeyModel, type Semantics } from "./key-model.ts";
import type { Network } from "./network.ts";
import { Peer } from "./peer.ts";
import type { Random } from "./random.ts";
import type { Way } from "./socket.ts";
import type { World } from "./world.ts";

export interface ClientHabits {
  /** It waits so long between two batches at the most. */
  readonly thinkMs: number;
  /** Requests in a batch at the most. */
  readonly batch: number;
  readonly version: 2 | 3;
  /** Bytes of its values at the most. */
  readonly valueBytes: number;
  readonly hasTransactions: boolean;
  readonly blocks: boolean;
  /** It leaves in the middle, ends its direction, rests from reading: how likely with each batch. */
  readonly whims: number;
}

export interface ClientRig {
  readonly world: World;
  readonly network: Network;
  readonly checker: Checker;
  readonly way: Way;
}

/** Replies, one after the other, as they came. */
export interface ReplyReader {
  add(text: string): void;
  /** Null: the next one is not complete. @throws Error: it is none */
  next(): string | null;
}

export interface Expected {
  readonly words: readonly string[];
  readonly keys: readonly string[];
  readonly sentMs: number;
  /** Behind it the connection may end. */
  readonly mayBlock: boolean;
  answer(raw: string): void;
  /** No reply will come. */
  lost(): void;
}

/** A calm client asks so seldom. */
const CALM_MS = 500;

export abstract class SimulatedClient<Value> {
  readonly id: number;
  readonly models: Map<string, KeyModel<Value>> = new Map();
  protected readonly rig: ClientRig;
  protected readonly habits: ClientHabits;
  protected readonly random: Random;
  /** Requests, and what is numbered by them. */
  protected sent = 0;
  /** Until then it is to blame itself for what comes late. */
  protected restedUntilMs = 0;
  protected peer: Peer | null = null;
  private readonly semantics: Semantics<Value>;
  private readonly initial: Value;
  private reader: ReplyReader | null = null;
  private expected: Expected[] = [];
  private lastReplyMs = 0;
  private madeKeys = 0;
  private isStopping = false;
  private isCalm = false;
  private hasShut = false;

  constructor(
    id: number,
    rig: ClientRig,
    habits: ClientHabits,
    { semantics, initial }: { semantics: Semantics<Value>; initial: Value },
  ) {
    this.id = id;
    this.rig = rig;
    this.habits = habits;
    this.semantics = semantics;
    this.initial = initial;
    this.random = rig.world.random.fork();
    this.thinkSoon();
  }

  protected abstract createReader(): ReplyReader;

  /** Expects what it gives. */
  protected abstract greeting(): string;

  protected abstract nextRequests(): string[];

  /** Asks for the value of a key. */
  protected abstract reading(key: string): string;

  /** Nothing is asked. */
  get isIdle(): boolean {
    return this.expected.length === 0;
  }

  /** From now on it asks no more than it takes to see that all is well. */
  calmDown(): void {
    this.isCalm = true;
  }

  /** It asks nothing more. */
  stop(): void {
    this.isStopping = true;
  }

  leave(): void {
    this.stop();
    this.peer?.close(false);
    this.forget();
  }

  protected newKey(kind: string): string {
    return `${kind}${this.id}.${this.madeKeys++}`;
  }

  protected modelOf(key: string): KeyModel<Value> {
    let model = this.models.get(key);
    if (model === undefined) {
      model = new KeyModel(this.semantics, this.initial);
      this.models.set(key, model);
    }
    return model;
  }

  /** One of `keys`, or a new one in its place when too much is possible of it. */
  protected pickFrom(keys: string[], kind: string): string {
    const at = this.random.below(keys.length);
    const model = this.modelOf(keys[at]!);
    const isWorn = model.isUnknown || (model.isUncertain && this.random.chance(0.5));
    if (isWorn) keys[at] = this.newKey(kind);
    return keys[at]!;
  }

  private thinkSoon(): void {
    const thinkMs = this.isCalm ? CALM_MS : this.habits.thinkMs;
    this.rig.world.after(this.random.next() ** 2 * thinkMs, () => this.think());
  }

  private think(): void {
    if (this.isStopping) return;
    this.watch();
    // With too much unanswered it waits.
    if (this.expected.length < 4 * this.habits.batch && !this.hasShut) this.act();
    this.thinkSoon();
  }

  /** Of what is expected the first has waited for too long? */
  watch(): void {
    const [first] = this.expected;
    if (first === undefined) return;
    const { checker } = this.rig;
    const sinceMs = Math.max(first.sentMs, this.lastReplyMs, this.restedUntilMs);
    if (!checker.onWaited(first.words, first.keys, sinceMs, false)) this.abandon();
  }

  private act(): void {
    const { random, habits } = this;
    if (this.peer === null) this.open();
    const texts: string[] = [];
    const count = 1 + random.small(this.isCalm ? 2 : habits.batch);
    for (let i = 0; i < count; i++) texts.push(...this.nextRequests());
    const all = texts.join("");
    const { world } = this.rig;
    if (random.chance(0.1)) {
      const takesMs = 2 * this.peer!.sendSlowly(all, random);
      this.restedUntilMs = Math.max(this.restedUntilMs, world.nowMs + takesMs);
    } else this.peer!.send(all);
    if (random.chance(habits.whims)) this.whim();
  }

  private whim(): void {
    const { random, peer } = this;
    const { world } = this.rig;
    switch (random.below(4)) {
      case 0:
        world.after(random.next() * 20, () => {
          if (this.peer !== peer) return;
          world.note("client resets", this.id);
          this.abandon();
        });
        break;
      case 1:
        // All that it has asked for must still come.
        this.hasShut = true;
        world.after(Math.max(10, this.restedUntilMs - world.nowMs + 5), () => peer?.shutdown());
        break;
      default: {
        const restMs = random.next() * 300;
        this.restedUntilMs = Math.max(this.restedUntilMs, world.nowMs + restMs + 100);
        peer?.rest(restMs);
      }
    }
  }

  private open(): void {
    const { world, network, way } = this.rig;
    this.reader = this.createReader();
    this.hasShut = false;
    const peer = new Peer(world, network.connectClient(way), {
      onText: (text) => {
        if (this.peer === peer) this.onText(text);
      },
      onGone: (isReset) => {
        if (this.peer === peer) this.onGone(isReset);
      },
    });
    this.peer = peer;
    peer.send(this.greeting());
  }

  /** It leaves without a word, whatever is owed to it. */
  private abandon(): void {
    this.peer?.close(true);
    this.forget();
  }

  private forget(): void {
    this.peer = null;
    this.hasShut = false;
    for (const { lost } of this.expected.splice(0)) lost();
  }

  private onGone(isReset: boolean): void {
    const { checker } = this.rig;
    // A blocked client that ends its direction is let go.
    const isLetGo = this.expected.some(({ mayBlock }) => mayBlock);
    const isRight = this.hasShut && (this.expected.length === 0 || isLetGo) && !isReset;
    if (!isRight && !checker.mayClose) {
      checker.fail(
        `client ${this.id}: its connection was ${isReset ? "reset" : "closed"} with ${this.expected.length} replies owed`,
      );
    }
    this.forget();
  }

  private onText(text: string): void {
    const { world, checker } = this.rig;
    const reader = this.reader!;
    try {
      reader.add(text);
      for (let raw = reader.next(); raw !== null; raw = reader.next()) {
        world.note("reply", this.id, raw.length);
        const next = this.expected.shift();
        if (next === undefined) {
          if (!checker.mayForeign([])) {
            checker.fail(`client ${this.id} got what it has not asked for: ${JSON.stringify(raw)}`);
          }
          continue;
        }
        checker.answered++;
        const sinceMs = Math.max(next.sentMs, this.lastReplyMs, this.restedUntilMs);
        checker.onWaited(next.words, next.keys, sinceMs, true);
        this.lastReplyMs = world.nowMs;
        next.answer(raw);
      }
    } catch (error) {
      checker.fail(`client ${this.id}: ${(error as Error).message}`);
      this.abandon();
    }
  }

  protected expect(
    words: readonly string[],
    keys: readonly string[],
    answer: Expected["answer"],
    lost: Expected["lost"] = () => {},
    mayBlock = false,
  ): void {
    this.expected.push({ words, keys, sentMs: this.rig.world.nowMs, mayBlock, answer, lost });
  }

  /** @param isError `raw` is one of the proxy's. @returns whether it was certainly not executed */
  protected failed(
    words: readonly string[],
    raw: string,
    sentMs: number,
    isError: boolean,
  ): boolean {
    const { checker } = this.rig;
    if (isError) return checker.onError(words, raw.trim(), sentMs);
    if (!checker.mayLie(words.slice(1))) {
      checker.fail(
        `client ${this.id}: ${JSON.stringify(words)} was answered by ${JSON.stringify(raw)}`,
      );
    }
    return false;
  }

  /** Asks for all that it knows of. */
  verify(): void {
    this.abandon();
    this.open();
    for (const [key, model] of this.models) {
      if (!model.isUnknown) this.peer!.send(this.reading(key));
    }
  }
}
