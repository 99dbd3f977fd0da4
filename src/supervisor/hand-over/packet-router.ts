/**
 * Passes client connections on from one worker to another.
 *
 *   old worker ══packets══▶ our end │ waiting │ our end of the new worker's socket ══▶ new worker ──adopted──▶
 *
 * A packet that is in our hands, or that a dead worker had not taken off its socket yet, goes to another worker. Lost is only
 * what a worker had taken when it died.
 */
import { type FromWorker, PACKET_BYTES_MAX } from "../../api/control.ts";
import { PACKETS_HELD_MAX } from "../../base/limits.ts";
import type { Logger } from "../../base/log.ts";
import { packetDescriptors } from "../../base/packet-descriptors.ts";
import { endOfSlice, isSliceOver, RUNTIME_SLICES } from "../../base/slices.ts";
import { canOpen, closeFd } from "../../os/fd.ts";
import {
  isSocketLost,
  peekPacket,
  type ReceivedPacket,
  receivePacket,
  sendPacket,
} from "../../os/fd-passing.ts";
import { openFilesMax } from "../../os/open-files.ts";
import { OsError } from "../../os/os-error.ts";
import { usableCores } from "../../os/usable-cores.ts";
import { Pace } from "./pace.ts";
import { groupOf, PacketGroups } from "./packet-groups.ts";
import { poolOf } from "./packet-pool.ts";
import { PacketTargets, packetsUnderwayToAll } from "./packet-targets.ts";
import { SourceCounts } from "./source-counts.ts";

/** A worker, as far as packets are concerned. */
export interface HandOverWorker {
  readonly name: string;
  readonly isServing: boolean;
  readonly handoverFd: number | null;
  /** The pools whose clients it may be given. Null or absent: those of all. */
  readonly pools?: readonly string[] | null;
  clients: number;
  send(message: { readonly type: "adopt"; readonly parcels: number }): void;
}

interface HeldPacket {
  readonly bytes: Buffer;
  readonly fds: readonly number[];
  readonly source: HandOverWorker;
  /** Packets of one group go to one worker; "": it belongs to none. */
  readonly group: string;
  readonly receivedAtMs: number;
}

/** When all receivers are full, or none is there, or the system is short of something, try again after this. */
const RETRY_MS = 5;
/** A packet that no worker took for so long is given up. */
const WAIT_MS_MAX = 30_000;

/** One end of the socket of a worker that is gone: packets are on it that were not taken off. */
interface LeftSocket {
  readonly worker: HandOverWorker;
  readonly fd: number;
  /** The worker's own end: what is on it was underway to the worker. */
  readonly isTheirs: boolean;
  /** Packets that the worker was given and has not answered for, less those that were taken back. */
  owed: number;
}

type Receipt = "taken" | "empty" | "wait";

export class PacketRouter {
  readonly sourceCounts: SourceCounts<HandOverWorker> = new SourceCounts();
  readonly #log: Logger;
  readonly #targets: PacketTargets<HandOverWorker>;
  /** Packets that may be underway to all workers. */
  readonly #underwayMax: number;
  readonly #nowMs: () => number;
  readonly #pace: Pace;
  readonly #buffer: Buffer = Buffer.allocUnsafeSlow(PACKET_BYTES_MAX + 4096);
  #waiting: HeldPacket[] = [];
  /** Sources with more on their sockets than was taken off. */
  readonly #sources = new Set<HandOverWorker>();
  readonly #leftSockets = new Set<LeftSocket>();
  readonly #groups = new PacketGroups<HandOverWorker>();
  #retry: Timer | undefined;
  #isPumpDue = false;
  #idle: (() => void)[] = [];
  #lost = 0;
  #passed = 0;
  /** The last shortage that was told to the log. */
  #shortage = "";

  /** @param nowMs its clock */
  constructor(
    log: Logger,
    targets: () => readonly HandOverWorker[],
    underwayMax: number = packetsUnderwayToAll(openFilesMax(), usableCores()),
    nowMs: () => number = () => performance.now(),
  ) {
    this.#log = log;
    this.#targets = new PacketTargets(targets, nowMs);
    this.#underwayMax = underwayMax;
    this.#nowMs = nowMs;
    this.#pace = new Pace(underwayMax, nowMs);
  }

  /** Client connections that were lost so far. */
  get lost(): number {
    return this.#lost;
  }

  /** Packets that were given to a worker so far. */
  get passed(): number {
    return this.#passed;
  }

  /** Nothing is in our hands, and every packet was answered for. */
  get isIdle(): boolean {
    return (
      this.#waiting.length === 0 &&
      this.#sources.size === 0 &&
      this.#leftSockets.size === 0 &&
      this.#targets.owedInAll === 0
    );
  }

  /** Resolves once `isIdle`. */
  whenIdle(): Promise<void> {
    if (this.isIdle) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  /** From now on packets of `source` go to `target`; null: to any worker. */
  direct(source: HandOverWorker, target: HandOverWorker | null): void {
    this.#targets.direct(source, target);
  }

  onMessage(worker: HandOverWorker, message: FromWorker): void {
    if (message.type === "parcels") {
      worker.clients = Math.max(worker.clients - message.count, 0);
      this.sourceCounts.onTold(worker, message.count);
      this.#sources.add(worker);
      this.pump();
    } else if (message.type === "adopted") {
      this.#targets.settle(worker, message.adopted + message.failed + (message.others ?? 0));
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

  /**
   * The worker behind this socket is gone: what is on its way to it or from it is taken back, and then both ends are closed. They
   * are the router's from now on.
   */
  onSocketEnd(worker: HandOverWorker, ours: number, theirs: number): void {
    this.#sources.delete(worker);
    const owed = this.#targets.forget(worker);
    this.#leftSockets.add({ worker, fd: ours, isTheirs: false, owed: 0 });
    this.#leftSockets.add({ worker, fd: theirs, isTheirs: true, owed });
    this.pump();
  }

  /** Takes what is there and passes on what can be: a slice of it now, the rest in the next turns of the event loop. */
  pump(): void {
    const endMs = endOfSlice(RUNTIME_SLICES);
    let isMoving = true;
    while (isMoving && !isSliceOver(RUNTIME_SLICES, endMs) && this.#pace.restMs === 0) {
      const isShort = this.#collect();
      isMoving = this.#deliver() && !isShort && this.#sources.size + this.#leftSockets.size > 0;
    }
    this.#groups.forgetEnded();
    const { restMs } = this.#pace;
    if (restMs > 0) this.#pumpAfter(restMs);
    else if (isMoving) this.#pumpNextTurn();
    else if (this.#waiting.length + this.#sources.size + this.#leftSockets.size > 0) {
      this.#pumpAfter(RETRY_MS);
    }
    if (!this.isIdle) return;
    this.#pace.onIdle();
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  /** @returns whether the system is short of what taking more needs */
  #collect(): boolean {
    for (const left of this.#leftSockets) {
      const receipt = this.#receiveAll(left.worker, left.fd, () => {
        if (left.isTheirs) left.owed -= 1;
        else this.sourceCounts.onTaken(left.worker);
      });
      if (receipt === "wait") return true;
      if (receipt === "empty") this.#forgetSocket(left);
    }
    for (const source of [...this.#sources]) {
      if (this.#areHandsFull) return false;
      // The next time it is the last one: the clients of all wait equally long.
      this.#sources.delete(source);
      this.#sources.add(source);
      const fd = source.handoverFd;
      const onTaken = (): void => this.sourceCounts.onTaken(source);
      const receipt = fd === null ? "empty" : this.#receiveAll(source, fd, onTaken);
      if (receipt === "wait") return true;
      if (receipt === "empty") this.#sources.delete(source);
    }
    return false;
  }

  /** No more is taken than can be passed on: a worker whose packets stay on its socket sends no others, and its clients are served. */
  get #areHandsFull(): boolean {
    const room = this.#underwayMax - this.#targets.underway;
    return this.#waiting.length >= Math.min(room, PACKETS_HELD_MAX);
  }

  /** `taken`: there may be more, and our hands are full. */
  #receiveAll(source: HandOverWorker, fd: number, onTaken: () => void): Receipt {
    while (!this.#areHandsFull) {
      const receipt = this.#receive(source, fd);
      if (receipt !== "taken") return receipt;
      onTaken();
    }
    return "taken";
  }

  #receive(source: HandOverWorker, fd: number): Receipt {
    try {
      // The kernel drops descriptors for which this process has no room.
      const length = peekPacket(fd, this.#buffer);
      if (length === 0) return "empty";
      const needed = packetDescriptors(this.#buffer, length);
      if (!canOpen(needed, fd)) throw new OsError("fcntl", "EMFILE");
      const packet = receivePacket(fd, this.#buffer);
      this.#shortage = "";
      if (packet === null) return "empty";
      this.#hold(source, Buffer.from(this.#buffer.subarray(0, packet.length)), packet);
      return "taken";
    } catch (error) {
      return this.#onReceiveError(source, error);
    }
  }

  #onReceiveError(source: HandOverWorker, error: unknown): Receipt {
    if (!(error instanceof OsError)) throw error;
    if (error.isPassing) {
      this.#tellShortage(error);
      return "wait";
    }
    // The other end is closed, with everything taken: a worker that has left.
    if (!isSocketLost(error)) {
      this.#log.error("clients cannot be taken from a worker", {
        child: source.name,
        reason: error.message,
      });
    }
    return "empty";
  }

  #hold(source: HandOverWorker, bytes: Buffer, { fds, isCut }: ReceivedPacket): void {
    const group = groupOf(bytes);
    if (isCut) {
      this.#lose({ source, fds }, "not all of its descriptors came");
      return;
    }
    this.#pace.onTaken();
    this.#groups.onHeld(group);
    this.#waiting.push({ bytes, fds, source, group, receivedAtMs: this.#nowMs() });
  }

  /** A left socket has given everything back: what its worker was given and is not here died with it. */
  #forgetSocket(left: LeftSocket): void {
    const { worker, fd, isTheirs, owed } = left;
    this.#leftSockets.delete(left);
    closeFd(fd);
    if (!isTheirs) {
      this.#groups.onSourceGone(worker);
      for (const { source, group } of this.#waiting) {
        if (source === worker) this.#groups.end(group);
      }
      return;
    }
    if (owed <= 0) return;
    this.#lost += owed;
    this.#log.warn("clients were lost with the worker that had just taken them", {
      event: "clients_were_lost_with_a_worker",
      child: worker.name,
      clients: owed,
    });
  }

  /** @returns whether any was passed on */
  #deliver(): boolean {
    const given = new Map<HandOverWorker, number>();
    const kept: HeldPacket[] = [];
    const full = new Set<HandOverWorker>();
    const nowMs = this.#nowMs();
    for (const packet of this.#waiting) {
      const target = this.#give(packet, full);
      if (target === null && nowMs - packet.receivedAtMs <= WAIT_MS_MAX) {
        kept.push(packet);
        continue;
      }
      this.#groups.onReleased(packet.group);
      if (target === "lost") continue;
      if (target === null) this.#lose(packet, "no worker could take it");
      else given.set(target, (given.get(target) ?? 0) + 1);
    }
    this.#waiting = kept;
    for (const [target, packets] of given) target.send({ type: "adopt", parcels: packets });
    return given.size > 0;
  }

  /** @returns who has it now; null: it cannot be taken at the moment; lost: it cannot be sent at all */
  #give(packet: HeldPacket, full: Set<HandOverWorker>): HandOverWorker | null | "lost" {
    while (this.#targets.underway < this.#underwayMax) {
      const target = this.#target(packet, full);
      if (target === null || target.handoverFd === null) return null;
      const isFull = this.#targets.owedBy(target) >= this.#targets.shareOf(this.#underwayMax);
      const result = isFull ? "full" : this.#send(target, packet);
      if (result === "lost") return "lost";
      if (result === "sent") {
        for (const fd of packet.fds) closeFd(fd);
        this.#targets.give(target);
        this.#passed += 1;
        this.#pace.onPassed();
        return target;
      }
      full.add(target);
    }
    return null;
  }

  #send(target: HandOverWorker, packet: HeldPacket): "sent" | "full" | "lost" {
    try {
      return sendPacket(target.handoverFd ?? -1, packet.bytes, packet.fds) ? "sent" : "full";
    } catch (error) {
      if (!(error instanceof OsError)) throw error;
      if (error.isPassing) {
        this.#tellShortage(error);
        return "full";
      }
      // Its worker is dead, which is heard of in a moment; there are others.
      if (isSocketLost(error)) return "full";
      this.#lose(packet, error.message);
      return "lost";
    }
  }

  #target(
    { bytes, source, group, receivedAtMs }: HeldPacket,
    full: ReadonlySet<HandOverWorker>,
  ): HandOverWorker | null {
    const pool = this.#targets.areAlike ? null : poolOf(bytes);
    if (group === "") return this.#targets.pick(source, receivedAtMs, full, pool);
    const known = this.#groups.targetOf(group);
    if (known?.isServing && known.handoverFd !== null) return full.has(known) ? null : known;
    const target = this.#targets.pick(source, receivedAtMs, full, pool);
    if (target !== null) this.#groups.assign(group, target, source);
    return target;
  }

  #lose({ source, fds }: Pick<HeldPacket, "source" | "fds">, reason: string): void {
    this.#lost += 1;
    for (const fd of fds) closeFd(fd);
    this.#log.warn("a client was lost on its way to another worker", {
      from: source.name,
      reason,
    });
  }

  /** Once for each time that it lasts. */
  #tellShortage({ message }: OsError): void {
    if (this.#shortage === message) return;
    this.#shortage = message;
    this.#log.info("clients wait on their way to another worker", { reason: message });
  }

  #pumpNextTurn(): void {
    if (this.#isPumpDue) return;
    this.#isPumpDue = true;
    setImmediate(() => {
      this.#isPumpDue = false;
      this.pump();
    });
  }

  #pumpAfter(delayMs: number): void {
    if (this.#retry !== undefined) return;
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      this.pump();
    }, delayMs);
  }
}
