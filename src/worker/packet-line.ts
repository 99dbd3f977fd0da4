/**
 * The way of packets from a worker to the supervisor: so many underway at a time, each announced, and what goes wrong by its kind.
 */
import {
  PACKETS_TAKEN_MS,
  PACKETS_UNDERWAY_MAX,
  PACKETS_UNDERWAY_SHARE,
  PACKETS_UNDERWAY_START,
} from "../base/limits.ts";
import type { Logger } from "../base/log.ts";
import { isAllTaken, isSocketLost } from "../os/fd-passing.ts";
import { OsError } from "../os/os-error.ts";

export interface PacketLineOptions {
  /** The SEQPACKET socket to the supervisor. */
  readonly socket: number;
  readonly format: number;
  /** Packets on the socket at a time; see `packetsUnderway`. */
  readonly underwayMax: number;
  readonly log: Logger;
  /** See Engine. */
  readonly nowMs: () => number;
  readonly later: (callback: () => void) => void;
  /** So many more packets are on the socket. */
  onPackets(count: number): void;
  /** All that were sent are announced. */
  onAnnounced(): void;
  /** The supervisor takes none any more. */
  onLost(): void;
}

/** `wait`: nothing can be sent now. `short`: this packet cannot, for want of memory or descriptors. `stays`: it never can. */
export type SendResult = "sent" | "wait" | "short" | "stays";

/** So many packets may be underway from each of `workers`, in processes that may have `openFiles` files. */
export function packetsUnderway(openFiles: number, workers: number): number {
  const share = Math.floor((openFiles * PACKETS_UNDERWAY_SHARE) / workers);
  return Math.max(1, Math.min(share, PACKETS_UNDERWAY_MAX));
}

export class PacketLine {
  private readonly options: PacketLineOptions;
  /** On the socket, unless the supervisor has taken them since. */
  private underway = 0;
  private window: number;
  /** When the first of those underway was sent. */
  private sentAtMs = 0;
  private unannounced = 0;
  /** Why something could not be sent when that happened last. */
  private shortage = "";
  /** Packets that could not be sent for a reason of their own, and the last reason. */
  private refused = 0;
  private refusal = "";

  constructor(options: PacketLineOptions) {
    this.options = options;
    this.window = Math.min(PACKETS_UNDERWAY_START, options.underwayMax);
  }

  /** So many packets go at a time. */
  get batch(): number {
    return this.window;
  }

  get isAnnounced(): boolean {
    return this.unannounced === 0;
  }

  /** Whether one more may be underway. */
  get hasRoom(): boolean {
    const { socket, underwayMax } = this.options;
    if (this.underway < this.window) return true;
    if (!isAllTaken(socket)) return false;
    this.underway = 0;
    const isSlow = this.options.nowMs() - this.sentAtMs > PACKETS_TAKEN_MS;
    const wanted = isSlow ? this.window * 2 : Math.max(this.window / 2, PACKETS_UNDERWAY_START);
    this.window = Math.min(wanted, underwayMax);
    return true;
  }

  /** @param send false: the socket is full. Its OsError is sorted by kind, others pass */
  send(send: (socket: number, format: number) => boolean): SendResult {
    const { socket, format, log, onLost } = this.options;
    try {
      if (!send(socket, format)) return "wait";
    } catch (error) {
      if (!(error instanceof OsError)) throw error;
      if (error.isPassing) {
        this.shortage = error.message;
        return error.call === "sendmsg" ? "wait" : "short";
      }
      if (isSocketLost(error)) {
        log.error("clients stay: the supervisor takes none any more", { reason: error.message });
        onLost();
        return "wait";
      }
      this.refused++;
      this.refusal = error.message;
      return "stays";
    }
    if (this.underway++ === 0) this.sentAtMs = this.options.nowMs();
    this.announceSoon();
    return "sent";
  }

  /** Nothing more is sent. @param isLate some clients stay because the time is over */
  close(isLate: boolean): void {
    this.announce();
    const { log } = this.options;
    if (this.refused > 0) {
      log.warn("clients stay: they cannot be sent", {
        clients: this.refused,
        reason: this.refusal,
      });
    }
    if (isLate && this.shortage !== "") {
      log.warn("clients stay: not all could be sent in time", { reason: this.shortage });
    }
  }

  private announceSoon(): void {
    if (this.unannounced++ > 0) return;
    this.options.later(() => {
      this.announce();
      this.options.onAnnounced();
    });
  }

  private announce(): void {
    const count = this.unannounced;
    this.unannounced = 0;
    if (count > 0) this.options.onPackets(count);
  }
}
