/** CLIENT REPLY: whether the client wants replies. */
import type { ClientPort } from "../../../api/client-port.ts";

const NONE: Buffer = Buffer.alloc(0);

export type WantedReplies = "on" | "off" | "skip";

export class ReplySwitch {
  /** Requests that are still to be handled before replies are wanted again; 0: nothing is being skipped. */
  skipping = 0;
  private isOff = false;
  private readonly session: ClientPort;

  constructor(session: ClientPort, wanted: WantedReplies) {
    this.session = session;
    this.isOff = wanted === "off";
    if (wanted === "skip") this.skipping = 1;
    session.isMuted = wanted !== "on";
  }

  /** Between two requests. */
  get wanted(): WantedReplies {
    if (this.isOff) return "off";
    return this.skipping > 0 ? "skip" : "on";
  }

  /** From the request at hand on, which is to be answered. */
  turnOn(): void {
    this.isOff = false;
    this.skipping = 0;
    this.session.isMuted = false;
  }

  /** From the request at hand on, which gets no reply. */
  turnOff(): void {
    this.isOff = true;
    this.session.isMuted = true;
    this.settleOne();
  }

  /** For the request at hand and the next one. */
  skipNext(): void {
    this.session.isMuted = true;
    this.settleOne();
    // Counts the request at hand, too.
    if (!this.isOff) this.skipping = 2;
  }

  /** RESET: as at the start, unless the very request at hand is skipped. */
  reset(): void {
    this.isOff = false;
    if (this.skipping === 0) this.session.isMuted = false;
  }

  /** To be called after each request while `skipping` is not 0. */
  requestDone(): void {
    if (--this.skipping > 0 || this.isOff) return;
    // A slot that keeps those before and those after apart, see ReplyRing.isMuted.
    this.settleOne();
    this.session.isMuted = false;
  }

  private settleOne(): void {
    this.session.reply(this.session.open(), NONE);
  }
}
