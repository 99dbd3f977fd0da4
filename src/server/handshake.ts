/** What must be said and answered on a fresh connection before requests of clients may use it. */
import { INCOMPLETE, type ReplyScanner, type UpstreamProtocol } from "../api/protocol.ts";
import { copyOf } from "../base/copy-of.ts";
import type { InputBuffer } from "../base/input-buffer.ts";
import { HANDSHAKE_REPLY_BYTES_MAX } from "../base/limits.ts";
import { languageHint } from "./failures.ts";

const MINUS = 0x2d;
const NOT_THE_PROTOCOL = "to speak the expected protocol";

export class Handshake {
  /** What to send first; may be empty. */
  readonly bytes: Buffer;
  /** The reply that was looked at last, if it was one. */
  private lastReply: Buffer | null = null;

  private readonly protocol: UpstreamProtocol;
  private readonly replies: number;
  private answered = 0;

  /** @param mustProve the server was in trouble: it has to answer a probe, too */
  constructor(protocol: UpstreamProtocol, mustProve: boolean) {
    this.protocol = protocol;
    this.replies = protocol.handshakeReplies + (mustProve ? 1 : 0);
    this.bytes = mustProve
      ? Buffer.concat([protocol.handshake, protocol.probe])
      : protocol.handshake;
  }

  get isDone(): boolean {
    return this.answered === this.replies;
  }

  /** How the server refused what is a client's matter; null when it is not, or the server said nothing sensible. */
  get refusalReply(): Buffer | null {
    const { lastReply } = this;
    // Whatever else it is, it is no answer to what a client chose.
    if (lastReply === null || lastReply[0] !== MINUS) return null;
    // The configuration has no password: it is for clients to do so.
    const isMissing = lastReply.toString("latin1", 0, 8) === "-NOAUTH ";
    return this.protocol.isClientsChoice || isMissing ? lastReply : null;
  }

  /** Consumes the replies at hand, and pushes between them. Returns what is wrong with one of them, or null. */
  scan(input: InputBuffer, scanner: ReplyScanner): string | null {
    while (!this.isDone) {
      const isPush = input.bytes[input.start] === scanner.pushType;
      const next = scanner.scan(input.bytes, input.start, input.end);
      const length = next > 0 ? next - input.start : input.size;
      if (length > HANDSHAKE_REPLY_BYTES_MAX) return NOT_THE_PROTOCOL;
      if (next === INCOMPLETE) {
        input.keepRest();
        return null;
      }
      if (isPush && next > 0) {
        input.start = next;
        continue;
      }
      const index = this.answered++;
      this.lastReply = next > 0 ? copyOf(input.bytes, input.start, next) : null;
      const fault =
        next < 0
          ? NOT_THE_PROTOCOL
          : this.protocol.handshakeFault(index, input.bytes, input.start, next);
      if (fault !== null) return fault + languageHint(input, this.protocol);
      input.start = next;
    }
    return null;
  }
}
