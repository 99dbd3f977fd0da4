/**
 * Takes client connections off the hand-over socket, in slices, and has each adopted.
 *
 *   told ─take, when a descriptor is free─▶ packet ─read─▶ session ─▶ stream ─▶ adopted
 *
 * A packet is left on the socket while this process has no room for its descriptors: the kernel drops those that it cannot give.
 * What the system is short of is waited for, up to `waitMsMax`; then the packet is tried once more, and lost alone.
 */
import { PACKET_DESCRIPTORS_SPARE } from "../base/limits.ts";
import type { Logger } from "../base/log.ts";
import type { Schedule } from "../base/schedule.ts";
import { endOfSlice, isSliceOver } from "../base/slices.ts";
import { canOpen, closeFd } from "../os/fd.ts";
import { isSocketLost } from "../os/fd-passing.ts";
import { OsError } from "../os/os-error.ts";
import {
  PacketError,
  peekDescriptors,
  type ReceivedSession,
  readPacket,
  type TakenPacket,
  takePacket,
} from "./packet.ts";
import type { AdoptionCounts } from "./worker.ts";

export interface AdoptionOptions {
  /** The SEQPACKET socket to the supervisor. */
  readonly socket: number;
  readonly log: Logger;
  readonly schedule: Schedule;
  /** See Engine. */
  readonly nowMs: () => number;
  readonly later: (callback: () => void) => void;
  /** For so long a packet waits for what the system is short of. */
  readonly waitMsMax: number;
  /**
   * Makes a client of what was received, or takes what belongs to a group and is no client. Owns its descriptors, also when it
   * fails. `settled` is to be called once: at once, or when that is known.
   */
  take(received: ReceivedSession, settled: (result: keyof AdoptionCounts) => void): void;
}

type Report = (counts: AdoptionCounts) => void;

const RETRY_MS = 5;

export class Adoption {
  private readonly options: AdoptionOptions;
  private report: Report = () => {};
  /** On the socket, as far as this worker was told. */
  private told = 0;
  /** Taken off the socket, and not read yet. */
  private packet: TakenPacket | null = null;
  /** Given to `take`, and not settled. */
  private unsettled = 0;
  private counts = { adopted: 0, failed: 0, others: 0 };
  private isRunning = false;
  private isPaused = false;
  /** Since when the system is short of what the next packet needs; 0: it is not. */
  private shortSinceMs = 0;

  constructor(options: AdoptionOptions) {
    this.options = options;
  }

  /** So many more packets are on the socket. `report` hears, in one or several parts, what became of them. */
  adopt(packets: number, report: Report): void {
    this.told += packets;
    this.report = report;
    this.run();
  }

  private run(): void {
    if (this.isPaused || this.isRunning) return;
    this.isRunning = true;
    const endMs = endOfSlice(this.options);
    while (this.told > 0) {
      if (isSliceOver(this.options, endMs)) {
        this.runAfter(0);
        break;
      }
      try {
        if (!this.adoptNext()) break;
      } catch (error) {
        if (!(error instanceof OsError) || !error.isPassing || !this.mayWait(error.message)) {
          this.fail(error);
          continue;
        }
        this.runAfter(RETRY_MS);
        break;
      }
    }
    this.isRunning = false;
    this.tell();
  }

  private runAfter(delayMs: number): void {
    this.isPaused = true;
    const run = (): void => {
      this.isPaused = false;
      this.run();
    };
    if (delayMs > 0) this.options.schedule(delayMs, run);
    else this.options.later(run);
  }

  /** @returns false: the next packet must wait for those before it. @throws OsError, PacketError: see `fail` */
  private adoptNext(): boolean {
    const packet = this.packet ?? this.takeNext();
    this.packet = packet;
    const received = readPacket(packet);
    // The end of a group is behind all of its clients.
    if (received.head.isLast === true && this.unsettled > 0) return false;
    this.packet = null;
    this.told--;
    this.shortSinceMs = 0;
    this.unsettled++;
    this.options.take(received, (result) => {
      this.unsettled--;
      this.counts[result]++;
      if (this.isRunning) return;
      this.run();
      this.tell();
    });
    return true;
  }

  private takeNext(): TakenPacket {
    const { socket } = this.options;
    const needed = peekDescriptors(socket);
    if (needed === 0) throw new PacketError("it is not there");
    const hasRoom = canOpen(needed + PACKET_DESCRIPTORS_SPARE, socket);
    if (!hasRoom && this.mayWait("no free descriptors")) throw new OsError("fcntl", "EMFILE");
    const packet = takePacket(socket);
    if (packet === null) throw new PacketError("it is not there");
    return packet;
  }

  /** False: the system has been short of something for too long. */
  private mayWait(reason: string): boolean {
    const nowMs = this.options.nowMs();
    if (this.shortSinceMs === 0) {
      this.shortSinceMs = nowMs;
      this.options.log.debug("adoption waits", { reason });
    }
    return nowMs - this.shortSinceMs < this.options.waitMsMax;
  }

  /** The next packet is lost; with the socket, so are all. */
  private fail(error: unknown): void {
    const isKnown = error instanceof OsError || error instanceof PacketError;
    if (!isKnown) throw error;
    const isAll = error instanceof OsError && isSocketLost(error);
    const lost = isAll ? this.told : 1;
    for (const fd of this.packet?.fds ?? []) closeFd(fd);
    this.packet = null;
    // The next one has its own time.
    this.shortSinceMs = 0;
    this.told -= lost;
    this.counts.failed += lost;
    const facts = { clients: lost, reason: error.message };
    this.options.log.warn("clients are lost: they could not be taken from the supervisor", facts);
  }

  private tell(): void {
    const { adopted, failed, others } = this.counts;
    if (adopted + failed + others === 0) return;
    this.counts = { adopted: 0, failed: 0, others: 0 };
    this.report({ adopted, failed, others });
  }
}
