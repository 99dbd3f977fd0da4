/**
 * The binary side of a Memcached session: finds requests in the client's bytes and sends each where it belongs.
 *
 * Quiet requests go to the servers as loud ones, so that each gets a reply and connections can be shared;
 * `QuietReplies` leaves out what memcached would not have sent. For that the opcode is changed in the received
 * bytes themselves, in the moment they are passed on, because they are not read for a second time; and so is the opaque, by
 * which a reply is told from any other (RequestNotes).
 */

import type { ClientPort } from "../../../../api/client-port.ts";
import type { RequestTaker } from "../../../../api/frontend.ts";
import { FAMILY, familyOf } from "../../../../api/latency.ts";
import { ACCESS, PlainFacts } from "../../../../api/request-facts.ts";
import type { Failure, Link, ReplySink } from "../../../../api/upstream.ts";
import { MEMCACHE_KEY_BYTES_MAX, MEMCACHE_VALUE_BYTES_MAX } from "../../../../base/limits.ts";
import { NOT_ALLOWED_TEXT } from "../../../operators.ts";
import { Run } from "../../../run.ts";
import { claimReply } from "../../codec/binary/claim-reply.ts";
import { encodeReply, turnIntoReply } from "../../codec/binary/encode.ts";
import {
  AT_BODY_LENGTH,
  AT_EXTRAS_LENGTH,
  AT_KEY_LENGTH,
  AT_OPAQUE,
  AT_OPCODE,
  accessOf,
  commandNameOf,
  HEADER_BYTES,
  isQuiet,
  isRead,
  isWellFormed,
  LOUD,
  OPCODE,
  REQUEST_MAGIC,
} from "../../codec/binary/opcode.ts";
import { readUint16, readUint32, writeUint32 } from "../../codec/binary/read-number.ts";
import { NOT_FOUND_TEXT, STATUS } from "../../codec/binary/status.ts";
import { MERGED_STATISTICS } from "../../codec/merge-statistics.ts";
import { MEMCACHE_VERSION } from "../../codec/version.ts";
import { VARIANT_BINARY } from "../connection-kinds.ts";
import type { MemcachePool } from "../memcache-pool.ts";
import { type BroadcastRequest, takeBroadcast } from "./broadcast.ts";
import { QuietReplies } from "./quiet-replies.ts";
import { refusalOf } from "./refusals.ts";
import { RequestNotes } from "./request-notes.ts";
import { showTable } from "./show-table.ts";

const NONE: Buffer = Buffer.alloc(0);
const NO_SERVER: Failure = {
  kind: "ejected",
  wasSent: false,
  text: "Connection refused (all servers of the pool are ejected)",
};

/** Of the request at hand. */
const facts: PlainFacts = new PlainFacts();
/** The run at hand, of whatever client: it is sent before another client is taken. */
const run: Run = new Run();
const flushRun = (): void => run.flush();

/** The key of a STAT that is for the proxy itself. */
const PROXY = /^proxy(?: +([^ ]+))? *$/;

export class BinaryFrontend implements RequestTaker, ReplySink {
  readonly takesRuns = true;
  readonly copiesReplies: boolean;
  keepsInput = false;
  need = 0;

  private readonly pool: MemcachePool;
  private readonly session: ClientPort;
  private readonly notes: RequestNotes = new RequestNotes();
  private readonly quietReplies: QuietReplies;
  /** Bytes of a refused request's body that are still to come, and to be ignored. */
  private toSkip: number;
  private localCount = 0;
  private faultCount = 0;

  /** @param toSkip what `saveState` gave in another process */
  constructor(pool: MemcachePool, session: ClientPort, toSkip = 0) {
    this.pool = pool;
    this.session = session;
    this.copiesReplies = session.copiesReplies === true;
    this.toSkip = toSkip;
    this.quietReplies = new QuietReplies(this);
  }

  consume(bytes: Buffer, start: number, end: number): number {
    const { session } = this;
    let position = start;
    let requests = 0;
    this.need = 0;
    this.keepsInput = false;
    while (session.mayTakeMore()) {
      if (this.toSkip > 0) {
        const skipped = Math.min(this.toSkip, end - position);
        this.toSkip -= skipped;
        position += skipped;
      }
      if (end - position < HEADER_BYTES) break;
      const next = this.handle(bytes, position, end);
      if (next === position || !session.isOpen) break;
      requests++;
      position = next;
    }
    run.flush();
    facts.release();
    this.pool.count(requests, this.localCount, this.faultCount);
    this.localCount = 0;
    this.faultCount = 0;
    return position;
  }

  failureReply(failure: Failure, token: number): Buffer {
    const opcode = this.notes.opcode(token);
    const opaque = this.notes.opaque(token);
    if (this.pool.deadServer === "miss" && isRead(opcode)) {
      if (isQuiet(opcode)) return NONE;
      return encodeReply(opcode, STATUS.notFound, opaque, NOT_FOUND_TEXT);
    }
    return encodeReply(opcode, STATUS.temporaryFailure, opaque, failure.text);
  }

  // What servers say

  onReplies(token: number, count: number, bytes: Buffer, start: number, end: number): void {
    this.session.onReplies(token, count, bytes, start, end);
  }

  onFailure(token: number, count: number, failure: Failure): void {
    this.session.onFailure(token, count, failure);
  }

  accepts(token: number, bytes: Buffer, start: number, end: number): boolean {
    const { notes } = this;
    const opcode = LOUD[notes.opcode(token)]!;
    return claimReply(bytes, start, end, opcode, notes.mark(token), notes.opaque(token));
  }

  /** Nothing is agreed with a client that had to move with it; half-received requests stay in the session's input. */
  saveState(): { readonly toSkip: number } {
    return { toSkip: this.toSkip };
  }

  /** Returns where the request at `at` ends, or `at`: it is incomplete or cannot be taken now. */
  private handle(bytes: Buffer, at: number, end: number): number {
    if (bytes[at] !== REQUEST_MAGIC) {
      // Like memcached: no telling what this was meant to be.
      this.faultCount++;
      this.session.finish();
      return at;
    }
    const opcode = bytes[at + AT_OPCODE]!;
    const keyLength = readUint16(bytes, at + AT_KEY_LENGTH);
    const isAboutKey = keyLength > 0 && opcode !== OPCODE.stat;
    this.session.family = isAboutKey ? familyOf(accessOf(opcode)) : FAMILY.admin;
    const extrasLength = bytes[at + AT_EXTRAS_LENGTH]!;
    const bodyLength = readUint32(bytes, at + AT_BODY_LENGTH);
    const keyStart = at + HEADER_BYTES + extrasLength;
    if (
      keyLength > MEMCACHE_KEY_BYTES_MAX ||
      keyLength + extrasLength > bodyLength ||
      bodyLength - keyLength - extrasLength > MEMCACHE_VALUE_BYTES_MAX ||
      !isWellFormed(opcode, keyLength, extrasLength, bodyLength)
    ) {
      return this.refuse(bytes, at);
    }
    const next = at + HEADER_BYTES + bodyLength;
    if (next > end) {
      this.need = next - at;
      return at;
    }
    if (opcode === OPCODE.stat || keyLength === 0) this.keepsInput = true;
    if (opcode === OPCODE.stat) return this.sendStat(bytes, at, next);
    if (keyLength === 0) return this.handleKeyless(bytes, at, next);
    facts.bytes = bytes;
    facts.start = at;
    facts.end = next;
    facts.keyStart = keyStart;
    facts.keyEnd = keyStart + keyLength;
    facts.access = accessOf(opcode);
    facts.commandName = commandNameOf(opcode);
    const { gate } = this.pool;
    if (gate !== null && !gate.isOpen) {
      const admitted = gate.admitBinary(this.session, facts, next, end, flushRun);
      if (admitted === false) return at;
      if (admitted !== true) {
        this.session.onFailure(this.open(bytes, at), 1, admitted);
        return next;
      }
    }
    const upstream = this.pool.route.pick(facts);
    if (upstream === null) {
      this.session.onFailure(this.open(bytes, at), 1, NO_SERVER);
      return next;
    }
    return this.forward(upstream.connection(this.session.lane, VARIANT_BINARY), bytes, at, next);
  }

  /** Sends one request on. Returns `at` when there is no room for it now. */
  private forward(connection: Link, bytes: Buffer, at: number, next: number): number {
    const { session } = this;
    if (connection.refusal !== null) {
      session.onFailure(this.open(bytes, at), 1, connection.refusal);
      return next;
    }
    if (connection.isFull) {
      session.waitFor(connection);
      return at;
    }
    if (connection.copiesRequests !== true) this.keepsInput = true;
    const token = this.open(bytes, at);
    const opcode = bytes[at + AT_OPCODE]!;
    const loud = LOUD[opcode]!;
    bytes[at + AT_OPCODE] = loud;
    writeUint32(bytes, at + AT_OPAQUE, this.notes.mark(token));
    const sink = loud === opcode ? this : this.quietReplies;
    run.add(connection, sink, token, bytes, at, next);
    return next;
  }

  /** Opens a slot for the request at `at`. */
  private open(bytes: Buffer, at: number): number {
    const { session } = this;
    const token = session.open();
    const opaque = readUint32(bytes, at + AT_OPAQUE);
    this.notes.put(token, session.owed, bytes[at + AT_OPCODE]!, opaque);
    return token;
  }

  /** Answers a request that no server will see; it may be that what follows cannot be trusted. */
  private refuse(bytes: Buffer, at: number): number {
    const { status, text, mustClose } = refusalOf(bytes, at);
    const opaque = readUint32(bytes, at + AT_OPAQUE);
    this.localCount++;
    this.session.reply(
      this.open(bytes, at),
      encodeReply(bytes[at + AT_OPCODE]!, status, opaque, text),
    );
    if (mustClose) {
      this.faultCount++;
      this.session.finish();
    } else {
      this.toSkip = readUint32(bytes, at + AT_BODY_LENGTH);
    }
    return at + HEADER_BYTES;
  }

  private handleKeyless(bytes: Buffer, at: number, next: number): number {
    const { session } = this;
    const opcode = bytes[at + AT_OPCODE]!;
    const opaque = readUint32(bytes, at + AT_OPAQUE);
    const loud = LOUD[opcode]!;
    if (loud === OPCODE.flush) {
      return this.sendEverywhere({ opcode, opaque, merge: "all" }, bytes, at, next);
    }
    this.localCount++;
    if (opcode === OPCODE.version) {
      const reply = encodeReply(opcode, STATUS.ok, opaque, MEMCACHE_VERSION);
      session.reply(this.open(bytes, at), reply);
      return next;
    }
    if (opcode === loud) {
      const token = this.open(bytes, at);
      turnIntoReply(bytes, at);
      session.onReplies(token, 1, bytes, at, next);
    }
    if (loud === OPCODE.quit) session.finish();
    return next;
  }

  private sendStat(bytes: Buffer, at: number, next: number): number {
    const opaque = readUint32(bytes, at + AT_OPAQUE);
    const name = bytes.toString("latin1", at + HEADER_BYTES, next);
    if (PROXY.test(name) && this.pool.operators.areAllowed()) {
      // One such question of a client is open at a time.
      const { session } = this;
      if (!session.isSettled || !run.isEmpty) {
        run.flush();
        session.waitUntilSettled();
        return at;
      }
      const token = this.open(bytes, at);
      session.waitUntilSettled();
      const table = PROXY.exec(name)?.[1] ?? "help";
      showTable(this.pool.operators, table, opaque, (reply) => session.reply(token, reply));
      return next;
    }
    if (!MERGED_STATISTICS.includes(name)) {
      this.localCount++;
      const text = PROXY.test(name) ? NOT_ALLOWED_TEXT : NOT_FOUND_TEXT;
      const reply = encodeReply(OPCODE.stat, STATUS.notFound, opaque, text);
      this.session.reply(this.open(bytes, at), reply);
      return next;
    }
    const merge = name === "settings" ? "settings" : "counters";
    return this.sendEverywhere({ opcode: OPCODE.stat, opaque, merge }, bytes, at, next);
  }

  /** Sends the request to all servers that are there; those that are not make it fail. */
  private sendEverywhere(
    request: Omit<BroadcastRequest, "mark">,
    bytes: Buffer,
    at: number,
    next: number,
  ): number {
    const { session } = this;
    const isFlush = LOUD[request.opcode] === OPCODE.flush;
    const fault = isFlush ? (this.pool.gate?.flushFault ?? null) : null;
    if (fault !== null) {
      session.onFailure(this.open(bytes, at), 1, fault);
      return next;
    }
    const upstreams = this.pool.route.targets(isFlush ? ACCESS.write : ACCESS.admin);
    const connections = upstreams.map((upstream) =>
      upstream.connection(session.lane, VARIANT_BINARY),
    );
    const [only] = connections;
    if (only !== undefined && connections.length === 1) return this.forward(only, bytes, at, next);
    const full = connections.find(({ refusal, isFull }) => refusal === null && isFull);
    if (full !== undefined) {
      session.waitFor(full);
      return at;
    }
    // What came before must reach its connections before this does.
    run.flush();
    const token = this.open(bytes, at);
    const mark = this.notes.mark(token);
    bytes[at + AT_OPCODE] = LOUD[request.opcode]!;
    writeUint32(bytes, at + AT_OPAQUE, mark);
    const sink = takeBroadcast(session, token, { ...request, mark }, connections.length);
    for (const [part, connection] of connections.entries()) {
      if (connection.refusal !== null) sink.onFailure(part, 1, connection.refusal);
      else connection.send(bytes, at, next, sink, part, 1);
    }
    return next;
  }
}
