/**
 * Passes on the replies to one client's calls of scripts and functions on one server, and notices when the server does not
 * have what it should.
 *
 * Before a call the script is loaded if the server is not known to have it (Loadable), so this is for servers that lost it
 * without losing a connection. The last call is then repeated, as nothing was asked after it (RepeatedCall); of others
 * the client is told, and the next one finds the script loaded.
 */

import type { ClientPort } from "../../../../api/client-port.ts";
import { TOKEN_MASK } from "../../../../api/client-port.ts";
import { KIND, type ReplyKind } from "../../../../api/protocol.ts";
import type { Failure, Link, ReplySink, Upstream } from "../../../../api/upstream.ts";
import { copyOf } from "../../../../base/copy-of.ts";
import type { RequestView } from "../../codec/request-view.ts";
import type { ScriptMemory } from "./memory.ts";
import { RepeatedCall } from "./repeat.ts";

const NO_SCRIPT: Buffer = Buffer.from("-NOSCRIPT No matching script. Please use EVAL.\r\n");
const NO_FUNCTION: Buffer = Buffer.from("-ERR Function not found\r\n");
const NONE: Buffer = Buffer.alloc(0);

export class ScriptReplies implements ReplySink {
  readonly takesRuns = false;
  /** The client was told that a script is not there: it will send it. */
  missesScript = false;
  private readonly session: ClientPort;
  private readonly memory: ScriptMemory;
  private readonly upstream: Upstream;

  // The last call, while it is open. Its bytes are kept by reference.
  private connection: Link | null = null;
  private token = 0;
  private bytes: Buffer = NONE;
  private start = 0;
  private end = 0;
  /** Where the script's SHA or the function's name stands. */
  private nameStart = 0;
  private nameEnd = 0;

  constructor(session: ClientPort, memory: ScriptMemory, upstream: Upstream) {
    this.session = session;
    this.memory = memory;
    this.upstream = upstream;
  }

  /** The request at hand is a call and was just given slot `token`; its reply will come over `connection` to this sink. */
  expect(view: RequestView, connection: Link, token: number): void {
    this.connection = connection;
    this.token = token;
    this.bytes = view.bytes;
    this.start = view.start;
    this.end = view.end;
    this.nameStart = view.from(1);
    this.nameEnd = view.to(1);
  }

  onReplies(
    token: number,
    count: number,
    bytes: Buffer,
    start: number,
    end: number,
    kind: ReplyKind,
  ): void {
    const { connection } = this;
    const isLast = this.includesLast(token, count);
    if (kind === KIND.error && this.isMissing(bytes, start, end)) {
      if (isLast && connection !== null && this.repeat(connection, bytes, start, end)) return;
      if (!isLast) this.memory.suspectLoss(this.upstream);
    }
    if (isLast) this.forgetLast();
    this.session.onReplies(token, count, bytes, start, end);
  }

  onFailure(token: number, count: number, failure: Failure): void {
    if (this.includesLast(token, count)) this.forgetLast();
    this.session.onFailure(token, count, failure);
  }

  private includesLast(token: number, count: number): boolean {
    return this.connection !== null && ((this.token - token) & TOKEN_MASK) < count;
  }

  private forgetLast(): void {
    this.connection = null;
    this.bytes = NONE;
  }

  private isMissing(bytes: Buffer, start: number, end: number): boolean {
    if (isSame(bytes, start, end, NO_SCRIPT)) {
      this.missesScript = true;
      return true;
    }
    return isSame(bytes, start, end, NO_FUNCTION);
  }

  /** Sees to the last call's reply in another way than by passing on the error that came. False: nothing was done. */
  private repeat(connection: Link, bytes: Buffer, start: number, end: number): boolean {
    const wanted = this.memory.wantedBy(this.bytes, this.nameStart, this.nameEnd);
    if (wanted === null || connection.refusal !== null || !this.session.isOpen) return false;
    const call = new RepeatedCall({
      session: this.session,
      upstream: this.upstream,
      connection,
      token: this.token,
      ...{ bytes: this.bytes, start: this.start, end: this.end },
      error: copyOf(bytes, start, end),
      wanted,
    });
    this.missesScript = false;
    this.forgetLast();
    call.begin();
    return true;
  }
}

function isSame(bytes: Buffer, start: number, end: number, text: Buffer): boolean {
  return end - start === text.length && bytes.compare(text, 0, text.length, start, end) === 0;
}
