/**
 * Passes client connections on from one worker to another.
 *
 *   old worker ══parcels══▶ our end │ waiting │ our end of the new worker's socket ══▶ new worker ──adopted──▶
 *
 * A parcel that is in our hands, or that a dead worker had not taken off its socket yet, goes to another worker. Lost is only
 * what a worker had taken when it died.
 */
import { type FromWorker, PARCEL_BYTES_MAX } from "../api/control.ts";
import type { Logger } from "../base/log.ts";
import { closeFd } from "../os/fd.ts";
import { receiveParcel, sendParcel } from "../os/fd-passing.ts";

/** A worker, as far as parcels are concerned. */
export interface ParcelWorker {
  readonly name: string;
  readonly isServing: boolean;
  readonly handoverFd: number | null;
  clients: number;
  send(message: { readonly type: "adopt"; readonly parcels: number }): void;
}

interface Parcel {
  readonly bytes: Buffer;
  readonly fds: readonly number[];
  readonly source: ParcelWorker;
  /** Parcels of one group go to one worker; "": it belongs to none. */
  readonly group: string;
  readonly receivedAtMs: number;
}

/** Parcels in our hands at a time: each holds one or two descriptors. More stay on the senders' sockets. */
const WAITING_MAX = 128;
/** When all receivers are full, or none is there, try again after this. */
const RETRY_MS = 5;
/** A parcel that nobody took for so long is given up. */
const WAIT_MS_MAX = 30_000;

const GROUP_FIELD = '{"group":"';

export class ParcelRouter {
  readonly #log: Logger;
  /** Who may be given parcels, besides a `direct` one. */
  readonly #targets: () => readonly ParcelWorker[];
  readonly #buffer: Buffer = Buffer.allocUnsafeSlow(PARCEL_BYTES_MAX + 4096);
  #waiting: Parcel[] = [];
  /** Sources with more on their sockets than was taken off. */
  readonly #sources = new Set<ParcelWorker>();
  /** Rebalancing: what comes from here goes there. */
  readonly #direct = new Map<ParcelWorker, ParcelWorker>();
  /** Where parcels of a group go, and where they come from. */
  readonly #groups = new Map<
    string,
    { readonly target: ParcelWorker; readonly source: ParcelWorker }
  >();
  /** Groups of which nothing comes any more, though some of it may be in our hands. */
  readonly #ending = new Set<string>();
  /** Parcels that a worker was given and has not answered for. */
  readonly #owed = new Map<ParcelWorker, number>();
  #retry: Timer | undefined;
  #idle: (() => void)[] = [];
  #lost = 0;

  constructor(log: Logger, targets: () => readonly ParcelWorker[]) {
    this.#log = log;
    this.#targets = targets;
  }

  /** Client connections that were lost so far. */
  get lost(): number {
    return this.#lost;
  }

  /** Nothing is in our hands, and every parcel was answered for. */
  get isIdle(): boolean {
    return this.#waiting.length === 0 && this.#sources.size === 0 && this.#owed.size === 0;
  }

  /** Resolves once `isIdle`. */
  whenIdle(): Promise<void> {
    if (this.isIdle) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  /** From now on parcels of `source` go to `target`; null: to anybody. */
  direct(source: ParcelWorker, target: ParcelWorker | null): void {
    if (target === null) this.#direct.delete(source);
    else this.#direct.set(source, target);
  }

  onMessage(worker: ParcelWorker, message: FromWorker): void {
    if (message.type === "parcels") {
      worker.clients = Math.max(worker.clients - message.count, 0);
      this.#sources.add(worker);
      this.pump();
    } else if (message.type === "adopted") {
      this.#settle(worker, message.adopted + message.failed + (message.others ?? 0));
      worker.clients += message.adopted;
      if (message.failed > 0) {
        this.#lost += message.failed;
        this.#log.warn("clients could not be adopted", {
          child: worker.name,
          clients: message.failed,
        });
      }
      this.pump();
    }
  }

  /** The worker behind this socket is gone: what is on its way to it or from it is taken back. */
  onSocketEnd(worker: ParcelWorker, ours: number, theirs: number): void {
    this.#sources.delete(worker);
    this.#direct.delete(worker);
    for (const [source, target] of this.#direct) if (target === worker) this.#direct.delete(source);
    while (this.#receive(worker, ours)) {}
    for (const [group, { source }] of this.#groups) if (source === worker) this.#ending.add(group);
    for (const { source, group } of this.#waiting) if (source === worker) this.#ending.add(group);
    let untaken = 0;
    while (this.#receive(worker, theirs)) untaken += 1;
    const lost = (this.#owed.get(worker) ?? 0) - untaken;
    this.#owed.delete(worker);
    if (lost > 0) {
      this.#lost += lost;
      this.#log.warn("clients were lost with the worker that had just taken them", {
        child: worker.name,
        clients: lost,
      });
    }
    this.pump();
  }

  /** Takes what is there and passes on what can be. */
  pump(): void {
    do {
      this.#collect();
    } while (this.#deliver() && this.#sources.size > 0);
    this.#forgetGroups();
    if (this.#waiting.length > 0) this.#retrySoon();
    if (!this.isIdle) return;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  #forgetGroups(): void {
    for (const group of this.#ending) {
      if (this.#waiting.some((parcel) => parcel.group === group)) continue;
      this.#groups.delete(group);
      this.#ending.delete(group);
    }
  }

  #collect(): void {
    for (const source of this.#sources) {
      const fd = source.handoverFd;
      while (this.#waiting.length < WAITING_MAX) {
        if (fd !== null && this.#receive(source, fd)) continue;
        this.#sources.delete(source);
        break;
      }
    }
  }

  /** False: nothing there, or the other end is gone. */
  #receive(source: ParcelWorker, fd: number): boolean {
    try {
      const parcel = receiveParcel(fd, this.#buffer);
      if (parcel === null) return false;
      const bytes = Buffer.from(this.#buffer.subarray(0, parcel.length));
      const group = groupOf(bytes);
      const receivedAtMs = performance.now();
      this.#waiting.push({ bytes, fds: parcel.fds, source, group, receivedAtMs });
      return true;
    } catch {
      return false;
    }
  }

  /** @returns whether any was passed on */
  #deliver(): boolean {
    const given = new Map<ParcelWorker, number>();
    const kept: Parcel[] = [];
    const full = new Set<ParcelWorker>();
    for (const parcel of this.#waiting) {
      const target = this.#give(parcel, full);
      if (target !== null) {
        given.set(target, (given.get(target) ?? 0) + 1);
        this.#owed.set(target, (this.#owed.get(target) ?? 0) + 1);
      } else if (performance.now() - parcel.receivedAtMs > WAIT_MS_MAX) this.#giveUp(parcel);
      else kept.push(parcel);
    }
    this.#waiting = kept;
    for (const [target, parcels] of given) target.send({ type: "adopt", parcels });
    return given.size > 0;
  }

  /** @returns who has it now; null: nobody can take it at the moment */
  #give(parcel: Parcel, full: Set<ParcelWorker>): ParcelWorker | null {
    while (true) {
      const target = this.#target(parcel, full);
      if (target === null || target.handoverFd === null) return null;
      if (trySend(target.handoverFd, parcel)) {
        for (const fd of parcel.fds) closeFd(fd);
        return target;
      }
      full.add(target);
    }
  }

  #target({ source, group }: Parcel, full: ReadonlySet<ParcelWorker>): ParcelWorker | null {
    if (group === "") return this.#pick(source, full);
    const known = this.#groups.get(group)?.target;
    if (known?.isServing && known.handoverFd !== null) return full.has(known) ? null : known;
    const target = this.#pick(source, full);
    if (target !== null) this.#groups.set(group, { target, source });
    return target;
  }

  #pick(source: ParcelWorker, full: ReadonlySet<ParcelWorker>): ParcelWorker | null {
    const direct = this.#direct.get(source);
    if (direct?.isServing && direct.handoverFd !== null && !full.has(direct)) return direct;
    let best: ParcelWorker | null = null;
    for (const target of this.#targets()) {
      if (!target.isServing || target.handoverFd === null || full.has(target)) continue;
      if (best === null || this.#load(target) < this.#load(best)) best = target;
    }
    return best;
  }

  #load(worker: ParcelWorker): number {
    return worker.clients + (this.#owed.get(worker) ?? 0);
  }

  #settle(worker: ParcelWorker, answered: number): void {
    const owed = (this.#owed.get(worker) ?? 0) - answered;
    if (owed > 0) this.#owed.set(worker, owed);
    else this.#owed.delete(worker);
  }

  #giveUp(parcel: Parcel): void {
    this.#lost += 1;
    for (const fd of parcel.fds) closeFd(fd);
    this.#log.warn("a client was lost: no worker could take it", { from: parcel.source.name });
  }

  #retrySoon(): void {
    if (this.#retry !== undefined) return;
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      this.pump();
    }, RETRY_MS);
  }
}

/** The name of the group that a parcel belongs to; then that is its first field. */
function groupOf(bytes: Buffer): string {
  if (bytes.toString("latin1", 0, GROUP_FIELD.length) !== GROUP_FIELD) return "";
  return bytes.toString("latin1", GROUP_FIELD.length, bytes.indexOf('"', GROUP_FIELD.length));
}

/** False: not now. Whatever is wrong, its receiver may be dead a moment later or better, and there are others. */
function trySend(fd: number, parcel: Parcel): boolean {
  try {
    return sendParcel(fd, parcel.bytes, parcel.fds);
  } catch {
    return false;
  }
}
