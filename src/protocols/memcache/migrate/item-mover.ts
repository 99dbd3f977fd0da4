/**
 * Moves keys from their old servers to their new ones, over the connections for text that all clients of a worker share.
 *
 * A key is moved when it is asked for, and once: requests for it wait, and go on when it is settled.
 */
import type { ServerVerification } from "../../../api/migration.ts";
import type {
  KeyMoving,
  MovingKeys,
  PoolHost,
  SweepResult,
  SweepWork,
  VerifyWork,
} from "../../../api/protocol-module.ts";
import type { Failure, Link, ReplySink, Upstream } from "../../../api/upstream.ts";
import { MOVE_PAUSE_MS, SETTLED_KEYS_BYTES_MAX } from "../../../base/migration-limits.ts";
import type { Wakeable } from "../../../base/turn.ts";
import { type ItemReply, type ItemStep, MoveItem } from "../../../migration/move-item.ts";
import { type Pull, Pulls } from "../../../migration/pulls.ts";
import { SettledKeys } from "../../../migration/settled-keys.ts";
import { MIGRATION_METRICS } from "../../moved-keys.ts";
import { VARIANT_TEXT } from "../client/connection-kinds.ts";
import {
  ADD_MS_MAX,
  canBeNamed,
  encodeStep,
  isAnswerTo,
  isAtSource,
  LOCK_MS_MIN,
  type MovedItem,
  newItem,
  readStep,
} from "./item-commands.ts";
import { ServerClocks } from "./server-clocks.ts";
import { sweepServer } from "./sweep-server.ts";
import { verifyServer } from "./verify-server.ts";

interface ItemPlace {
  readonly item: MovedItem;
  readonly source: Upstream;
  readonly target: Upstream;
}

type ItemPull = Pull<ItemPlace, Wakeable, ItemStep, ItemReply>;

/** Requests of one step, or one for the time of its server. */
interface Sent {
  readonly pull: ItemPull;
  readonly step: ItemStep;
  readonly asksTime: boolean;
  readonly first: number;
  readonly answers: (Buffer | null)[];
  left: number;
  failure: string | null;
}

const STATS: Buffer = Buffer.from("stats\r\n");

export class ItemMover implements KeyMoving, ReplySink {
  readonly takesRuns = false;
  readonly copiesReplies = true;
  /** Null: all keys are where the route says. */
  moving: MovingKeys | null = null;
  /** It is not known which ring holds. */
  isRefusing = false;
  private readonly host: PoolHost;
  private readonly settled: SettledKeys = new SettledKeys(SETTLED_KEYS_BYTES_MAX);
  private readonly clocks: ServerClocks = new ServerClocks();
  private readonly pulls: Pulls<ItemPlace, Wakeable, ItemStep, ItemReply>;
  /** By token, which is the opaque as well. */
  private readonly sent: Map<number, Sent> = new Map();
  private tokens = 1;

  constructor(host: PoolHost) {
    this.host = host;
    this.pulls = new Pulls(this.settled, {
      createMove: () => new MoveItem(),
      perform: (pull, step) => this.perform(pull, step),
      pause: (pull) => void host.schedule(MOVE_PAUSE_MS, () => this.pulls.goOn(pull)),
      unlock: (pull) => this.unlock(pull),
      wake: (waiter) => host.turn.wake(waiter),
      onSettled: ({ place }) => this.count(place.item),
      nowMs: () => host.turn.nowMs,
      onQuiet() {},
    });
  }

  follow(moving: MovingKeys | null): void {
    const isSame = moving?.epoch === this.moving?.epoch;
    this.moving = moving;
    if (isSame) return;
    this.clocks.clear();
    this.pulls.reset();
  }

  hold(): void {
    this.pulls.hold();
  }

  letGo(): void {
    this.pulls.letGo();
  }

  refuse(isRefusing: boolean): void {
    this.isRefusing = isRefusing;
  }

  get isQuiet(): boolean {
    return this.pulls.isQuiet;
  }

  /** The key is on the server that the route names. @param name the key, one character per byte */
  isSettled(name: string): boolean {
    return this.settled.has(name);
  }

  /** Why the key could not be moved just now; null: that is not so. */
  failureOf(name: string): string | null {
    return this.pulls.failureOf(name);
  }

  /** Moves a key. @returns why it cannot; null: it is under way */
  move(name: string, source: Upstream, target: Upstream): string | null {
    if (this.pulls.has(name)) return null;
    const key = Buffer.from(name, "latin1");
    if (!canBeNamed(key)) return "long keys with blanks or control characters cannot be moved";
    this.host.metrics(MIGRATION_METRICS).add("key_requests", 1);
    this.pulls.add(name, { item: newItem(key), source, target });
    return null;
  }

  /** Wakes `waiter` when the move of a key that is under way has come to its end, be it good or not. */
  wakeAfter(name: string, waiter: Wakeable): void {
    this.pulls.wakeAfter(name, waiter);
  }

  sweep(server: Upstream, work: SweepWork): Promise<SweepResult | null> {
    return sweepServer(this, this.host, server, work);
  }

  verify(server: Upstream, work: VerifyWork): Promise<ServerVerification> {
    return verifyServer(this, this.host, server, work);
  }

  private count({ value, addedCas }: MovedItem): void {
    if (value === null || addedCas === "0") return;
    const metrics = this.host.metrics(MIGRATION_METRICS);
    metrics.add("keys_pulled", 1);
    metrics.add("bytes_pulled", value.length);
  }

  private perform(pull: ItemPull, step: ItemStep): void {
    const { item, source, target } = pull.place;
    const { nowMs } = this.host.turn;
    if (step === "add" && nowMs - item.takenMs > ADD_MS_MAX) {
      this.pulls.reply(pull, "lost");
      return;
    }
    const server = isAtSource(step) ? source : target;
    const link = server.connection(0, VARIANT_TEXT);
    if (link.refusal !== null && link.isRecovering !== true) {
      this.pulls.reply(pull, "refused", link.refusal.text);
      return;
    }
    if (link.refusal !== null || link.isFull) {
      link.waitForRoom(new Again(() => this.perform(pull, step)));
      return;
    }
    const needsTime = step === "add" || step === "put";
    const seconds = needsTime ? this.clocks.at(server, nowMs) : 0;
    if (step === "take") item.takenMs = nowMs;
    const requests = seconds === null ? [STATS] : encodeStep(step, item, seconds, this.tokens);
    this.send(pull, step, link, requests, seconds === null);
  }

  private send(
    pull: ItemPull,
    step: ItemStep,
    link: Link,
    requests: readonly Buffer[],
    asksTime: boolean,
  ): void {
    const first = this.tokens;
    const left = requests.length;
    this.tokens += left;
    const sent: Sent = { pull, step, asksTime, first, answers: [], left, failure: null };
    // Before the first is sent: a link may say at once that it fails.
    for (let at = 0; at < left; at++) this.sent.set(first + at, sent);
    for (const [at, request] of requests.entries()) {
      link.send(request, 0, request.length, this, first + at, 1);
    }
  }

  /** How that ends does not matter: a lock has an end. */
  private unlock({ place }: ItemPull): void {
    const link = place.source.connection(0, VARIANT_TEXT);
    if (link.refusal !== null) return;
    const [request] = encodeStep("release", place.item, 0, 0);
    if (request !== undefined) link.send(request, 0, request.length, DEAF, 0, 1);
  }

  accepts(token: number, bytes: Buffer, start: number, end: number, parts: number): boolean {
    if (parts > 0) return false;
    return this.sent.get(token)?.asksTime === true || isAnswerTo(token, bytes, start, end);
  }

  onReplies(token: number, _count: number, bytes: Buffer, start: number, end: number): void {
    // What is kept of it is a value on its way.
    this.onAnswer(token, Buffer.from(bytes.subarray(start, end)), null);
  }

  onFailure(token: number, _count: number, failure: Failure): void {
    this.onAnswer(token, null, failure.text);
  }

  private onAnswer(token: number, answer: Buffer | null, failure: string | null): void {
    const sent = this.sent.get(token);
    if (sent === undefined) return;
    this.sent.delete(token);
    sent.answers[token - sent.first] = answer;
    sent.failure ??= failure;
    if (--sent.left === 0) this.onStep(sent);
  }

  private onStep({ pull, step, asksTime, answers, failure }: Sent): void {
    const { item, target } = pull.place;
    const { nowMs } = this.host.turn;
    const whole = answers.filter((answer) => answer !== null);
    if (failure !== null) {
      this.pulls.reply(pull, "refused", failure);
    } else if (asksTime) {
      if (this.clocks.note(target, whole[0]!, nowMs)) this.perform(pull, step);
      else this.pulls.reply(pull, "refused", "the server does not tell its time");
    } else {
      const tookMs = nowMs - item.takenMs;
      const { reply, why } = readStep(step, whole, item, tookMs);
      // Another process may have taken the value before the key was dropped.
      const isLate = step === "drop" && reply === "dropped" && tookMs > LOCK_MS_MIN;
      this.pulls.reply(pull, isLate ? "lost" : reply, why);
    }
  }
}

class Again implements Wakeable {
  isWoken = false;
  readonly wakeUp: () => void;

  constructor(wakeUp: () => void) {
    this.wakeUp = wakeUp;
  }
}

const DEAF: ReplySink = {
  takesRuns: false,
  onReplies() {},
  onFailure() {},
};
