/**
 * The kinds of connection to the servers of one pool, by number: what must not be mixed on a connection.
 *
 * Numbers are given out on demand and counted: a client holds the one it uses. A number that no client holds any more is kept a
 * while for the next client like that; then its connections are closed, and it comes to stand for something else.
 */

import type { UpstreamProtocol } from "../../../../api/protocol.ts";
import {
  type ConnectionKind,
  connectionKind,
  type Failure,
  FIRST_KIND,
  NO_KIND,
} from "../../../../api/upstream.ts";
import { FairShares } from "../../../../base/fair-shares.ts";
import {
  UNAUTHENTICATED_BULK_BYTES_MAX,
  VARIANT_IDLE_MS,
  VARIANTS_MAX,
} from "../../../../base/limits.ts";
import type { RespVersion } from "../../codec/encode.ts";
import { createRedisUpstream } from "../../codec/upstream-protocol.ts";
import { ServerAccess } from "./server-access.ts";
import type { Variant } from "./variant.ts";

/** Its connections are used for AUTH of clients and nothing else: who is logged in on them does not matter. */
export const VARIANT_FOR_AUTH: ConnectionKind = connectionKind(2);
const DEFAULT_USER = { version: 2, database: 0, user: null, password: null } as const;
/** When a number is to be freed whose connections are busy, it is tried again after this. */
const VARIANT_BUSY_MS = 1000;
/** The first number that stands for what a client chose. */
const FIRST_CHOSEN = 3;

interface Entry {
  readonly key: string;
  readonly variant: Variant;
  readonly number: ConnectionKind;
  holders: number;
  /** A server has agreed to it. */
  isProven: boolean;
  /** Since when no client holds it; -1: not known yet. */
  unusedSinceMs: number;
  /** Of the client that chose it first, see `Stream.origin`: it counts as that one's until it is freed. */
  readonly origin: string;
}

export class VariantTable {
  /** By number: how connections of that kind are opened and read. Grows; an element changes only after `sweep` freed it. */
  readonly protocols: UpstreamProtocol[] = [];
  /** The same for connections to replicas of a cluster, which must be told that they are to be read. */
  readonly replicaProtocols: UpstreamProtocol[] = [];
  /** Not 0: all clients are in this database, and see it as 0. */
  readonly fixedDatabase: number;

  /** Who waits for a server to say whether it agrees to a number; such numbers are not freed. */
  readonly proofs: Map<ConnectionKind, ((failure: Failure | null) => void)[]> = new Map();
  /** Of who gives no password. */
  readonly access: ServerAccess = new ServerAccess();
  /** Told when some number is not held any more: `sweep` may be due. */
  onUnused: () => void = () => {};

  /** The pool's; null: none. */
  private readonly password: Buffer | null;
  private readonly entries: Entry[] = [];
  private readonly byKey: Map<string, Entry> = new Map();
  /** Those that no client holds. */
  private readonly unused: Set<Entry> = new Set();
  private readonly free: ConnectionKind[] = [];
  private readonly shares: FairShares = new FairShares();
  private readonly hasRoom: () => boolean;

  /**
   * @param password sent on every connection unless a client chose another; null: none
   * @param hasRoom whether there are descriptors for one more kind of connections
   */
  constructor(password: string | null, fixedDatabase: number, hasRoom: () => boolean = () => true) {
    this.hasRoom = hasRoom;
    this.password = password === null ? null : Buffer.from(password);
    this.fixedDatabase = fixedDatabase;
    this.addOwn(2);
    this.addOwn(3);
    const forAuth = { ...createRedisUpstream(DEFAULT_USER, true), idleMs: VARIANT_IDLE_MS };
    this.protocols[VARIANT_FOR_AUTH] = forAuth;
    this.replicaProtocols[VARIANT_FOR_AUTH] = forAuth;
  }

  /**
   * The number of `variant`, held until `release`; NO_KIND: there are too many already, or too many of `origin`, or it is too long.
   * @param origin of the client that chooses it, see `Stream.origin`
   */
  hold(variant: Variant, origin: string): ConnectionKind {
    // AUTH within a transaction is judged by the server alone.
    const { user, password } = variant;
    const longest = Math.max(user?.length ?? 0, password?.length ?? 0);
    if (longest > UNAUTHENTICATED_BULK_BYTES_MAX) return NO_KIND;
    const key = keyOf(variant);
    const free = VARIANTS_MAX - this.byKey.size;
    const mayAdd = this.byKey.has(key) || (this.shares.mayTake(origin, free) && this.hasRoom());
    return mayAdd ? this.keep(variant, origin) : NO_KIND;
  }

  /** As `hold`, for a client that is of this kind already: in another process, or as every client is at first. */
  keep(variant: Variant, origin: string): ConnectionKind {
    const key = keyOf(variant);
    const entry = this.byKey.get(key) ?? this.add(key, variant, origin);
    if (entry === null) return NO_KIND;
    entry.holders++;
    this.unused.delete(entry);
    return entry.number;
  }

  /** What clients of that kind have chosen; of connections for AUTH, what clients have at first. */
  variantOf(number: ConnectionKind): Variant {
    return (this.entries[number] ?? this.entries[FIRST_KIND]!).variant;
  }

  /** `keep` of what is number `number` in the table of another pool. */
  keepLike({ entries }: VariantTable, number: ConnectionKind): ConnectionKind {
    if (number < FIRST_CHOSEN) return number;
    const { variant, origin } = entries[number]!;
    return this.keep(variant, origin);
  }

  /** What `keepLike` gave is not needed any more. */
  releaseLike(number: ConnectionKind): void {
    if (number >= FIRST_CHOSEN) this.release(number);
  }

  /** `keep` of what every new client is at first. */
  keepFirst(): ConnectionKind {
    const first = this.entries[FIRST_KIND]!;
    first.holders++;
    return FIRST_KIND;
  }

  release(number: ConnectionKind): void {
    const entry = this.entries[number]!;
    if (--entry.holders > 0 || number < FIRST_CHOSEN) return;
    entry.unusedSinceMs = -1;
    this.unused.add(entry);
    this.onUnused();
  }

  /** A server has agreed to that lately. */
  isProven(number: ConnectionKind): boolean {
    return this.entries[number]!.isProven;
  }

  prove(number: ConnectionKind): void {
    this.entries[number]!.isProven = true;
  }

  /**
   * Frees numbers that have not been held for a while.
   * @param forget closes the connections of that number everywhere; false: they are busy
   * @returns when to call it next; Infinity: after `onUnused`
   */
  sweep(nowMs: number, forget: (number: ConnectionKind) => boolean): number {
    let nextMs = Number.POSITIVE_INFINITY;
    for (const entry of this.unused) {
      if (entry.unusedSinceMs < 0) entry.unusedSinceMs = nowMs;
      const dueMs = entry.isProven ? entry.unusedSinceMs + VARIANT_IDLE_MS : nowMs;
      const mustStay = dueMs > nowMs || this.proofs.has(entry.number) || !forget(entry.number);
      if (mustStay) {
        nextMs = Math.min(nextMs, Math.max(dueMs, nowMs + VARIANT_BUSY_MS));
        continue;
      }
      this.unused.delete(entry);
      this.byKey.delete(entry.key);
      this.free.push(entry.number);
      this.shares.giveBack(entry.origin);
    }
    return nextMs;
  }

  private addOwn(version: RespVersion): void {
    const variant = { version, database: 0, user: null, password: null };
    const hasPassword = this.password !== null;
    // Without a password that is known to be right, whether RESP3 can be had is the client's risk.
    const isRisk = version === 3 && !hasPassword;
    const greets = version === 2 && !hasPassword;
    const onGreeted = greets ? (isNeeded: boolean) => this.access.learn(isNeeded) : null;
    const protocol = this.createUpstream(variant, isRisk, onGreeted);
    const number = connectionKind(this.protocols.push(protocol) - 1);
    this.replicaProtocols.push(this.createUpstream(variant, isRisk, null, true));
    const isProven = !protocol.isClientsChoice;
    const entry = {
      key: keyOf(variant),
      variant,
      number,
      holders: 0,
      isProven,
      unusedSinceMs: -1,
      origin: "",
    };
    this.entries[number] = entry;
    this.byKey.set(entry.key, entry);
  }

  private add(key: string, variant: Variant, origin: string): Entry | null {
    const number = this.free.pop() ?? connectionKind(this.protocols.length);
    if (number >= VARIANTS_MAX) return null;
    const protocol = this.createUpstream(variant, true);
    this.protocols[number] = { ...protocol, idleMs: VARIANT_IDLE_MS };
    const replica = this.createUpstream(variant, true, null, true);
    this.replicaProtocols[number] = { ...replica, idleMs: VARIANT_IDLE_MS };
    const entry = { key, variant, number, holders: 0, isProven: false, unusedSinceMs: -1, origin };
    this.shares.take(origin);
    this.entries[number] = entry;
    this.byKey.set(key, entry);
    return entry;
  }

  private createUpstream(
    variant: Variant,
    isClientsChoice: boolean,
    onGreeted: ((needsPassword: boolean) => void) | null = null,
    isReadOnly = false,
  ): UpstreamProtocol {
    const { version, user, password } = variant;
    const { fixedDatabase } = this;
    const identity =
      password === null
        ? { user: null, password: this.password }
        : {
            user: user === null ? null : Buffer.from(user, "latin1"),
            password: Buffer.from(password, "latin1"),
          };
    const database = fixedDatabase === 0 ? variant.database : fixedDatabase;
    const all = { version, database, isReadOnly, ...identity };
    return createRedisUpstream(all, isClientsChoice, onGreeted);
  }
}

function keyOf({ version, database, user, password }: Variant): string {
  return JSON.stringify([version, database, user, password]);
}
