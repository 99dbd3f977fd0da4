/**
 * Divides the limits that hold over all workers among them. Each worker tells its peers what it has used of each scope, and how many clients
 * waited for more; what is told changes rarely, and is told at most ten times a second. From that each finds its own share:
 * where no client waits, what the others leave may be used, and what is left of it all is divided by how many wait.
 */
import type { WorkerBus } from "../api/worker-bus.ts";
import type { SharedMeter, ThrottleScope } from "../client/meter.ts";

/** Of one scope: used per second and waiting, of requests, bytes and connections in turn; and how many clients there are. */
type Told = readonly number[];

interface Message {
  readonly from: string;
  /** What has changed; all zero: nothing is told of the scope any more. */
  readonly scopes: readonly (readonly [key: string, told: Told])[];
}

interface Peer {
  heardMs: number;
  readonly scopes: Map<string, Told>;
}

export interface Rates {
  readonly requests: number;
  readonly bytes: number;
  readonly connects: number;
  /** Clients are counted over all workers. */
  readonly countsConnections: boolean;
}

export interface ThrottleSharesOptions {
  readonly bus: WorkerBus;
  readonly workers: number;
  /** This worker, as no other is called. */
  readonly name: string;
  readonly nowMs: () => number;
}

const TOPIC = "throttle";
/** What a worker has told of its share is told again after so long, and forgotten when it is not. */
const TOLD_AGAIN_MS = 1000;
const SILENCE_MS = 3000;
/** Less of an equal share than this is not told, and no change that is smaller. */
const TOLD_PART = 0.05;
/** By so much a share may grow from one look to the next. */
const GROWTH = 1.25;
const CONNECTIONS = 6;
const SCOPES_TOLD_MAX = 1000;

export class ThrottleShares {
  private readonly options: ThrottleSharesOptions;
  private readonly peers: Map<string, Peer> = new Map();
  private readonly told: Map<string, Told> = new Map();
  private message: [string, Told][] = [];
  private toldMs = 0;
  private isLeaving = false;
  /** A peer has come: all scopes are to be looked at next time. */
  mustTellAll = false;

  constructor(options: ThrottleSharesOptions) {
    this.options = options;
    options.bus.subscribe(TOPIC, (data) => this.onMessage(data as Message));
  }

  /** There are limits from now on. Peers that have told something tell it again. */
  begin(): void {
    const { bus, name } = this.options;
    bus.broadcast(TOPIC, { from: name, scopes: [] } satisfies Message);
  }

  private onMessage({ from, scopes }: Message): void {
    let peer = this.peers.get(from);
    if (peer === undefined) {
      peer = { heardMs: 0, scopes: new Map() };
      this.peers.set(from, peer);
      this.told.clear();
      this.mustTellAll = true;
    }
    peer.heardMs = this.options.nowMs();
    for (const [key, told] of scopes) {
      if (told.some((value) => value > 0)) peer.scopes.set(key, told);
      else peer.scopes.delete(key);
    }
  }

  /** Clients of the scope in other workers, as far as they were told of. */
  connectionsElsewhere(key: string): number {
    let connections = 0;
    for (const { scopes } of this.peers.values())
      connections += scopes.get(key)?.[CONNECTIONS] ?? 0;
    return connections;
  }

  /** Peers reckon with something that is used here. */
  get hasTold(): boolean {
    return this.told.size > 0;
  }

  /** Keys of what was told last, and must be looked at although nothing was used of it. */
  get toldKeys(): Iterable<string> {
    return this.told.keys();
  }

  /**
   * Looks at what was used of a scope in the last `elapsedMs`.
   * @param set gets this worker's rate of a meter
   */
  look(
    scope: ThrottleScope,
    rates: Rates,
    elapsedMs: number,
    set: (meter: SharedMeter, perSecond: number) => void,
  ): void {
    const { key } = scope;
    const own: number[] = [];
    const places = [
      [scope.requests, rates.requests],
      [scope.bytes, rates.bytes],
      [scope.connects, rates.connects],
    ] as const;
    let isQuiet = true;
    let hasChanged = false;
    const before = this.told.get(key);
    places.forEach(([meter, rate], index) => {
      const used = rate === 0 ? 0 : Math.max((meter.used * 1000) / elapsedMs, 0);
      const waiting = rate === 0 ? 0 : meter.denied;
      meter.used = 0;
      meter.denied = meter.waiting;
      own.push(Math.round(used), waiting);
      if (rate === 0) return;
      const least = (rate / this.options.workers) * TOLD_PART;
      if (used > least || waiting > 0) isQuiet = false;
      const usedBefore = before?.[2 * index] ?? 0;
      const waitedBefore = before?.[2 * index + 1] ?? 0;
      hasChanged ||= Math.abs(used - usedBefore) > least;
      hasChanged ||= Math.abs(waiting - waitedBefore) > waitedBefore * TOLD_PART;
      const share = this.shareOf(key, index, rate, used, waiting);
      // Peers may want more as well, and have not been heard yet: what is more than an equal share comes by and by.
      const most = Math.max(rate / this.options.workers, GROWTH * meter.perSecond);
      set(meter, Math.min(share, most));
    });
    const connections = rates.countsConnections ? scope.connections : 0;
    own.push(connections);
    hasChanged ||= connections !== (before?.[CONNECTIONS] ?? 0);
    if (!hasChanged) return;
    if (isQuiet && connections === 0) this.told.delete(key);
    else this.told.set(key, own);
    if (this.message.length < SCOPES_TOLD_MAX) this.message.push([key, own]);
  }

  /** What this worker may use in a second. */
  private shareOf(key: string, index: number, rate: number, used: number, waiting: number): number {
    const equal = rate / this.options.workers;
    let usedElsewhere = 0;
    let modest = 0;
    let waitingElsewhere = 0;
    for (const { scopes } of this.peers.values()) {
      const told = scopes.get(key);
      if (told === undefined) continue;
      const its = told[2 * index]!;
      const itsWaiting = told[2 * index + 1]!;
      usedElsewhere += its;
      if (itsWaiting === 0) modest += Math.min(its, equal);
      waitingElsewhere += itsWaiting;
    }
    if (waiting > 0) {
      const rest = Math.max(rate - modest, 0);
      return Math.max((rest * waiting) / (waiting + waitingElsewhere), equal * TOLD_PART);
    }
    return waitingElsewhere > 0
      ? Math.max(equal, 1e-3)
      : Math.max(equal, rate - usedElsewhere, used);
  }

  /** To be called after all scopes were looked at. */
  tell(): void {
    if (this.isLeaving) return;
    const { bus, name, nowMs } = this.options;
    const now = nowMs();
    this.mustTellAll = false;
    for (const [from, { heardMs }] of this.peers) {
      if (now - heardMs > SILENCE_MS) this.peers.delete(from);
    }
    const isDue = this.told.size > 0 && now - this.toldMs > TOLD_AGAIN_MS;
    if (this.message.length === 0 && !isDue) return;
    bus.broadcast(TOPIC, { from: name, scopes: this.message } satisfies Message);
    this.message = [];
    this.toldMs = now;
  }

  /** This worker gives its clients away: what it has is not to be counted twice. */
  leave(): void {
    const { bus, name } = this.options;
    const zeros = Array.from({ length: CONNECTIONS + 1 }, () => 0);
    const scopes = [...this.told.keys()].map((key): [string, Told] => [key, zeros]);
    if (scopes.length > 0) bus.broadcast(TOPIC, { from: name, scopes } satisfies Message);
    this.told.clear();
    this.isLeaving = true;
  }
}
