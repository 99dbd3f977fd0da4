/**
 * Moves keys from their old servers to their new ones, over the shared connections of a worker, as the pool's own user.
 *
 * A key is moved when it is asked for, and once: requests for it wait, and go on when it is settled.
 */
import type { ServerVerification } from "../../../api/migration.ts";
import type { ReplyKind } from "../../../api/protocol.ts";
import type {
  KeyMoving,
  MovingKeys,
  PoolHost,
  SweepResult,
  SweepWork,
  VerifyWork,
} from "../../../api/protocol-module.ts";
import type { ConnectionKind, Failure, Link, ReplySink, Upstream } from "../../../api/upstream.ts";
import {
  MOVE_PAUSE_MS,
  MOVED_VALUE_BYTES_MAX,
  SETTLED_KEYS_BYTES_MAX,
} from "../../../base/migration-limits.ts";
import type { Wakeable } from "../../../base/turn.ts";
import { MoveKey, type MoveReply, type MoveStep } from "../../../migration/move-key.ts";
import { type Pull, Pulls } from "../../../migration/pulls.ts";
import { SettledKeys } from "../../../migration/settled-keys.ts";
import { MIGRATION_METRICS } from "../../moved-keys.ts";
import type { VariantTable } from "../client/identity/variant-table.ts";
import { decodeReply } from "../codec/decode.ts";
import { encodeStep, isAtSource, type MovedKey, readStep } from "./move-commands.ts";
import { sweepServer } from "./sweep-server.ts";
import { verifyServer } from "./verify-server.ts";

/** A key on its way between two servers, over connections of one kind. */
interface MovePlace extends MovedKey {
  readonly source: Upstream;
  readonly target: Upstream;
  readonly kind: ConnectionKind;
}

type KeyPull = Pull<MovePlace, Wakeable, MoveStep, MoveReply>;

interface SentStep {
  readonly pull: KeyPull;
  readonly step: MoveStep;
}

export class KeyMover implements KeyMoving, ReplySink {
  readonly takesRuns = false;
  readonly copiesReplies = true;
  /** Null: all keys are where the route says. */
  moving: MovingKeys | null = null;
  /** It is not known which ring holds. */
  isRefusing = false;
  /** Grows when keys come to belong elsewhere: what clients have begun at one server may be another's then. */
  switches = 0;
  private readonly host: PoolHost;
  private readonly variants: VariantTable;
  private readonly settled: SettledKeys = new SettledKeys(SETTLED_KEYS_BYTES_MAX);
  private readonly pulls: Pulls<MovePlace, Wakeable, MoveStep, MoveReply>;
  /** By token: steps that were sent. */
  private readonly sent: Map<number, SentStep> = new Map();
  private tokens = 0;
  /** By database: the kind of connection, which is held until all keys have moved. */
  private readonly kinds: Map<number, ConnectionKind> = new Map();
  /** No process has ever had the same, and none will. */
  private readonly name: string;
  private moves = 0;

  constructor(host: PoolHost, variants: VariantTable) {
    this.host = host;
    this.variants = variants;
    this.name = `${host.nextClientId()}-${Math.floor(host.random() * 2 ** 48).toString(36)}`;
    this.pulls = new Pulls(this.settled, {
      createMove: () => new MoveKey(),
      perform: (pull, step) => this.perform(pull, step),
      pause: (pull) => void host.schedule(MOVE_PAUSE_MS, () => this.pulls.goOn(pull)),
      unlock: (pull) => this.send(pull, "free", DEAF),
      wake: (waiter) => host.turn.wake(waiter),
      onSettled: ({ move, place }) => this.count(move.isLocked, place),
      nowMs: () => host.turn.nowMs,
      onQuiet() {},
    });
  }

  follow(moving: MovingKeys | null): void {
    const isSame = moving?.epoch === this.moving?.epoch;
    this.moving = moving;
    if (isSame) return;
    this.pulls.reset();
    if (moving === null) this.giveUpKinds();
    else this.switches++;
  }

  hold(): void {
    this.pulls.hold();
  }

  letGo(): void {
    this.pulls.letGo();
  }

  /** What clients have begun at one server is given up then. */
  refuse(isRefusing: boolean): void {
    if (isRefusing && !this.isRefusing) this.switches++;
    this.isRefusing = isRefusing;
  }

  get isQuiet(): boolean {
    return this.pulls.isQuiet;
  }

  /** The key is on the server that the route names. @param name of the key, see `nameOf` */
  isSettled(name: string): boolean {
    return this.settled.has(name);
  }

  /** Why the key could not be moved just now; null: that is not so. */
  failureOf(name: string): string | null {
    return this.pulls.failureOf(name);
  }

  /** Moves a key. @returns why it cannot; null: it is under way */
  move(
    name: string,
    { key, source, target }: Pick<MovePlace, "key" | "source" | "target">,
    database: number,
  ): string | null {
    if (this.pulls.has(name)) return null;
    const { moving, host } = this;
    const kind = this.kindFor(database);
    if (kind === null || moving === null) {
      return "too many kinds of connections to servers are in use";
    }
    const { epoch } = moving;
    const token = `${epoch}:${this.name}-${++this.moves}`;
    host.metrics(MIGRATION_METRICS).add("key_requests", 1);
    const place: MovePlace = {
      ...{ key, token, epoch, bytesMax: MOVED_VALUE_BYTES_MAX, value: null, ttlMs: -1, takenMs: 0 },
      ...{ source, target, kind },
    };
    this.pulls.add(name, place);
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

  /** The kind of connection for keys of a database; null: there are too many kinds. */
  kindFor(database: number): ConnectionKind | null {
    const known = this.kinds.get(database);
    if (known !== undefined) return known;
    const kind = this.variants.hold({ version: 2, database, user: null, password: null }, "");
    if (kind < 0) return null;
    this.kinds.set(database, kind);
    return kind;
  }

  private giveUpKinds(): void {
    for (const kind of this.kinds.values()) this.variants.release(kind);
    this.kinds.clear();
  }

  private count(wasThere: boolean, { value }: MovePlace): void {
    if (!wasThere || value === null) return;
    const metrics = this.host.metrics(MIGRATION_METRICS);
    metrics.add("keys_pulled", 1);
    metrics.add("bytes_pulled", value.length);
  }

  private perform(pull: KeyPull, step: MoveStep): void {
    const link = this.linkFor(pull, step);
    if (link.refusal !== null && link.isRecovering !== true) {
      this.pulls.reply(pull, "refused", link.refusal.text);
    } else if (link.refusal !== null || link.isFull) {
      link.waitForRoom(new Again(() => this.perform(pull, step)));
    } else this.send(pull, step, this);
  }

  private linkFor({ place }: KeyPull, step: MoveStep): Link {
    const { source, target, kind } = place;
    return (isAtSource(step) ? source : target).connection(0, kind);
  }

  private send(pull: KeyPull, step: MoveStep, sink: ReplySink): void {
    const link = this.linkFor(pull, step);
    if (link.refusal !== null) return;
    const bytes = encodeStep(step, pull.place, this.host.turn.nowMs);
    const token = this.tokens++;
    if (sink === this) this.sent.set(token, { pull, step });
    link.send(bytes, 0, bytes.length, sink, token, 1);
  }

  onReplies(
    token: number,
    _count: number,
    bytes: Buffer,
    start: number,
    end: number,
    _kind: ReplyKind,
  ): void {
    const sent = this.take(token);
    if (sent === null) return;
    const { pull, step } = sent;
    // What is kept of it is a value on its way.
    const answer = decodeReply(Buffer.from(bytes.subarray(start, end)), 0);
    const { reply, why } = readStep(step, answer, pull.place);
    this.pulls.reply(pull, reply, why);
  }

  onFailure(token: number, _count: number, failure: Failure): void {
    const sent = this.take(token);
    if (sent !== null) this.pulls.reply(sent.pull, "refused", failure.text);
  }

  private take(token: number): SentStep | null {
    const sent = this.sent.get(token) ?? null;
    this.sent.delete(token);
    return sent;
  }
}

class Again implements Wakeable {
  isWoken = false;
  readonly wakeUp: () => void;

  constructor(wakeUp: () => void) {
    this.wakeUp = wakeUp;
  }
}

/** How a lock on the target is removed does not matter: it has an end. */
const DEAF: ReplySink = {
  takesRuns: false,
  onReplies() {},
  onFailure() {},
};
