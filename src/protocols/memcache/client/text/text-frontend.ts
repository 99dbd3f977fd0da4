/**
 * The text side of a Memcached session: finds requests in the client's bytes and sends each where it belongs.
 *
 * Neighbouring requests for one connection form a run: they go as one range, and cost one copy. Servers are never told
 * to be quiet, so that each request has its reply; see QuietReplies.
 */

import type { ClientPort } from "../../../../api/client-port.ts";
import type { RequestTaker } from "../../../../api/frontend.ts";
import { FAMILY, familyOf } from "../../../../api/latency.ts";
import { ACCESS, PlainFacts } from "../../../../api/request-facts.ts";
import type { Failure, ReplySink } from "../../../../api/upstream.ts";
import { type Foreign, isTls } from "../../../foreign.ts";
import { NOT_ALLOWED_TEXT } from "../../../operators.ts";
import { Run } from "../../../run.ts";
import { MERGED_STATISTICS } from "../../codec/merge-statistics.ts";
import { MISS } from "../../codec/meta/replies.ts";
import { foreignRequest } from "../../codec/text/foreign.ts";
import {
  END,
  ERROR,
  LINE_TOO_LONG,
  line,
  NOT_REDIS,
  NOT_TLS,
  SILENT,
} from "../../codec/text/replies.ts";
import { shapeOf } from "../../codec/text/reply-fits.ts";
import { TextRequestScanner } from "../../codec/text/request-scanner.ts";
import { TextRequest } from "../../codec/text/text-request.ts";
import { VARIANT_TEXT } from "../connection-kinds.ts";
import type { MemcachePool } from "../memcache-pool.ts";
import { clusterConfig } from "./cluster-config.ts";
import { ExpectedReplies } from "./expected-replies.ts";
import { FailureNotes } from "./failure-notes.ts";
import { metaMiss } from "./meta-miss.ts";
import { MultiGet, NO_SERVER } from "./multi-get.ts";
import { QuietReplies } from "./quiet-replies.ts";
import { showTable } from "./show-table.ts";
import { type BroadcastMerge, TextBroadcast } from "./text-broadcast.ts";

const EJECTED: Failure = {
  kind: "ejected",
  wasSent: false,
  text: "Connection refused (all servers of the pool are ejected)",
};

/** Replies to failures, by failure: they are few objects for many requests. */
const failureReplies = new WeakMap<Failure, Buffer>();

/** The request at hand, of whatever client: requests are taken one after the other, and an incomplete one is read anew. */
const request: TextRequest = new TextRequest();
/** The run at hand likewise: it is sent before another client is taken. */
const run: Run = new Run();
/** Keys that stand in their requests as base64. */
const decoded: PlainFacts = new PlainFacts();

export class TextFrontend implements RequestTaker, ReplySink {
  readonly takesRuns: boolean;
  private readonly pool: MemcachePool;
  private readonly session: ClientPort;
  private readonly scanner: TextRequestScanner = new TextRequestScanner();
  private readonly notes: FailureNotes = new FailureNotes();
  readonly copiesReplies: boolean;
  keepsInput = false;
  private readonly expected: ExpectedReplies = new ExpectedReplies();
  private readonly multiGet: MultiGet;
  private quietSinks: Map<string, QuietReplies> | null = null;
  /** Bytes of a refused request that are still to come, and to be ignored. */
  private toSkip: number;
  private localCount = 0;
  private faultCount = 0;

  /** @param toSkip what `saveState` gave in another process */
  constructor(pool: MemcachePool, session: ClientPort, toSkip = 0) {
    this.pool = pool;
    this.session = session;
    this.takesRuns = session.takesRuns;
    this.copiesReplies = session.copiesReplies === true;
    this.toSkip = toSkip;
    this.multiGet = new MultiGet(session, pool);
  }

  private get deadIsMiss(): boolean {
    return this.pool.deadServer === "miss";
  }

  get need(): number {
    return this.scanner.need;
  }

  consume(bytes: Buffer, start: number, end: number): number {
    const { session, scanner } = this;
    let position = start;
    let requests = 0;
    this.keepsInput = false;
    while (session.mayTakeMore()) {
      if (this.toSkip > 0) {
        const skipped = Math.min(this.toSkip, end - position);
        this.toSkip -= skipped;
        position += skipped;
      }
      if (position === end) break;
      const next = scanner.scan(bytes, position, end, request);
      if (next <= 0) {
        if (next < 0) {
          if (isTls(bytes, position, end)) this.turnAway("tls");
          else this.end(LINE_TOO_LONG);
        }
        break;
      }
      if (!this.handle(request) || !session.isOpen) break;
      requests++;
      position = next;
    }
    run.flush();
    request.release();
    this.pool.count(requests, this.localCount, this.faultCount);
    this.localCount = 0;
    this.faultCount = 0;
    return position;
  }

  forgetRequest(): void {
    this.scanner.reset();
  }

  failureReply(failure: Failure, token: number): Buffer {
    const note = this.notes.get(token);
    if (note !== null) return note;
    let reply = failureReplies.get(failure);
    if (reply === undefined) {
      reply = line(`SERVER_ERROR ${failure.text}`);
      failureReplies.set(failure, reply);
    }
    return reply;
  }

  // What servers say

  onReplies(token: number, count: number, bytes: Buffer, start: number, end: number): void {
    this.session.onReplies(token, count, bytes, start, end);
  }

  onFailure(token: number, count: number, failure: Failure): void {
    this.session.onFailure(token, count, failure);
  }

  accepts(token: number, bytes: Buffer, start: number, end: number, parts: number): boolean {
    return this.expected.accepts(token, bytes, start, end, parts);
  }

  /** Nothing is agreed with a client that had to move with it; half-received requests stay in the session's input. */
  saveState(): { readonly toSkip: number } {
    return { toSkip: this.toSkip };
  }

  /** Answers the request at hand without a server. */
  private answer(reply: Buffer): void {
    this.localCount++;
    this.session.reply(this.session.open(), reply);
  }

  /** Says what is wrong, and takes nothing more from this client. */
  private end(words: Buffer): void {
    this.faultCount++;
    this.answer(words);
    this.session.finish();
  }

  /** Nothing that follows is executed: it was not meant for a cache. */
  private turnAway(foreign: Foreign): void {
    const { pool, session } = this;
    pool.onForeign(foreign, session.peer);
    if (foreign !== "http") {
      this.end(foreign === "tls" ? NOT_TLS : NOT_REDIS);
      return;
    }
    // Like memcached, without a word.
    this.faultCount++;
    session.close();
  }

  /** False: the request cannot be taken now, and nothing was done about it. */
  private handle(request: TextRequest): boolean {
    if (request.answer !== null) {
      this.keepsInput = true;
      const foreign = request.answer === ERROR ? foreignRequest(request) : null;
      if (foreign !== null) {
        this.turnAway(foreign);
        return true;
      }
      this.toSkip = request.skip;
      this.session.family = FAMILY.admin;
      this.answer(request.answer);
      return true;
    }
    const { gate } = this.pool;
    if (gate !== null && !gate.isOpen) {
      const admitted = gate.admitText(this.session, request, () => run.flush());
      if (admitted !== true) return admitted !== false && this.fail(request, admitted);
    }
    return this.take(request);
  }

  private take(request: TextRequest): boolean {
    const { kind, access, isMeta } = request.command;
    // Of others more is noted than of a key and its value.
    if (isMeta) this.keepsInput = true;
    this.session.family = familyOf(access);
    if (kind === "get")
      return request.count === 2 ? this.forward(request, 1) : this.split(request, 1);
    if (kind === "gat")
      return request.count === 3 ? this.forward(request, 2) : this.split(request, 2);
    if (kind === "flush_all") return this.broadcast(request, request.line ?? ERROR, "same");
    if (kind === "stats") return this.sendStats(request);
    if (kind === "config") {
      this.answer(clusterConfig(this.session.localAddress));
      return true;
    }
    if (kind !== "quit") return this.forward(request, 1);
    this.localCount++;
    this.session.finish();
    return true;
  }

  /** Sends the request to the server of its only key, token `key`. */
  private forward(request: TextRequest, key: number): boolean {
    const { bytes, start, end, lineEnd, cutFrom, cutTo, decodedKey } = request;
    const { route } = this.pool;
    const upstream =
      decodedKey === null
        ? route.pick(request.key(key))
        : route.pick(decoded.ofKey(decodedKey, request.access, request.commandName));
    if (upstream === null) return this.fail(request, EJECTED);
    const connection = upstream.connection(this.session.lane, VARIANT_TEXT);
    const { session } = this;
    if (connection.refusal !== null) return this.fail(request, connection.refusal);
    if (connection.isFull) {
      session.waitFor(connection);
      return false;
    }
    if (connection.copiesRequests !== true) this.keepsInput = true;
    const token = this.open(request);
    this.expected.put(token, session.owed, request, key);
    const sink = request.isQuiet ? this.quietSink(request) : this;
    if (request.line === null && cutTo === 0) {
      run.add(connection, sink, token, bytes, start, end);
      return true;
    }
    run.flush();
    const queue = connection.begin(sink, token);
    if (request.line === null) {
      queue.append(bytes, start, cutFrom);
      queue.appendKept(bytes, cutTo, end);
    } else {
      queue.append(request.line, 0, request.line.length);
      queue.appendKept(bytes, lineEnd, end);
    }
    connection.commit();
    return true;
  }

  /** Opens a slot for the request, and notes what its client is told if it fails. */
  private open(request: TextRequest): number {
    const { session } = this;
    const token = session.open();
    this.notes.put(token, session.owed, this.noteFor(request));
    return token;
  }

  private noteFor(request: TextRequest): Buffer | null {
    const { kind, isMeta } = request.command;
    if (request.isQuiet && !isMeta) return SILENT;
    if (!this.deadIsMiss) return null;
    if (kind === "get" || kind === "gat") return END;
    if (kind !== "meta_get") return kind === "meta_debug" ? MISS : null;
    return request.isQuiet ? SILENT : metaMiss(request);
  }

  private fail(request: TextRequest, failure: Failure): true {
    this.session.onFailure(this.open(request), 1, failure);
    return true;
  }

  private quietSink({ command }: TextRequest): ReplySink {
    const rule = QUIET_RULES[command.kind] ?? "all";
    const name = rule === "all" ? "" : command.kind;
    this.quietSinks ??= new Map();
    let sink = this.quietSinks.get(name);
    if (sink === undefined) {
      sink = new QuietReplies(this, rule);
      this.quietSinks.set(name, sink);
    }
    return sink;
  }

  private split(request: TextRequest, firstKey: number): boolean {
    const { multiGet, session } = this;
    const parts = multiGet.plan(request, firstKey, this.pool.route);
    if (parts === NO_SERVER) return this.fail(request, EJECTED);
    if (parts === 0) {
      this.answer(END);
      return true;
    }
    for (let part = 0; part < parts; part++) {
      const connection = multiGet.connection(part);
      if (connection.refusal !== null) {
        // Known before anything is sent: then nothing is written at all.
        if (!this.deadIsMiss) return this.fail(request, connection.refusal);
      } else if (connection.isFull) {
        session.waitFor(connection);
        return false;
      }
    }
    // What came before must reach its connections before the parts do.
    run.flush();
    session.family = FAMILY.multi;
    if (parts > 1) this.pool.add("fragments", parts);
    multiGet.send(request, firstKey, this.open(request));
    return true;
  }

  private sendStats(request: TextRequest): boolean {
    this.keepsInput = true;
    const words: string[] = [];
    for (let i = 1; i < request.count; i++) words.push(request.text(i));
    const name = words[0] === "detail" ? words.join(" ") : (words[0] ?? "");
    if (MERGED_STATISTICS.includes(name)) {
      const merge = name === "reset" || name.startsWith("detail") ? "same" : "counters";
      const text = name === "" ? "stats" : `stats ${name}`;
      return this.broadcast(request, line(text), name === "settings" ? "settings" : merge);
    }
    this.session.family = FAMILY.admin;
    if (words[0] === "proxy") {
      if (!this.pool.operators.areAllowed()) {
        this.answer(NOT_ALLOWED);
        return true;
      }
      // One such question of a client is open at a time.
      const { session } = this;
      if (!session.isSettled || !run.isEmpty) {
        run.flush();
        session.waitUntilSettled();
        return false;
      }
      const token = this.open(request);
      session.waitUntilSettled();
      showTable(this.pool.operators, words[1] ?? "help", (reply) => session.reply(token, reply));
      return true;
    }
    this.answer(
      STATISTICS_OF_ONE.has(words[0] ?? "")
        ? line(`CLIENT_ERROR stats ${words[0]} is not available through the proxy: ask one server`)
        : ERROR,
    );
    return true;
  }

  /** Sends `text` to all servers. */
  private broadcast(request: TextRequest, text: Buffer, merge: BroadcastMerge): boolean {
    this.keepsInput = true;
    const { session } = this;
    const isFlush = request.command.kind === "flush_all";
    const upstreams = this.pool.route.targets(isFlush ? ACCESS.write : ACCESS.admin);
    const connections = upstreams.map((upstream) =>
      upstream.connection(session.lane, VARIANT_TEXT),
    );
    const full = connections.find(({ refusal, isFull }) => refusal === null && isFull);
    if (full !== undefined) {
      session.waitFor(full);
      return false;
    }
    run.flush();
    session.family = FAMILY.admin;
    const { isQuiet } = request;
    const parts = connections.length;
    const shape = shapeOf(request.command.kind);
    const sink = new TextBroadcast(session, this.open(request), { merge, parts, isQuiet, shape });
    for (const [part, connection] of connections.entries()) {
      if (connection.refusal !== null) sink.onFailure(part, 1, connection.refusal);
      else connection.send(text, 0, text.length, sink, part, 1);
    }
    return true;
  }
}

/** What memcached 1.6 leaves out when a meta command has the flag `q`. */
const QUIET_RULES: Readonly<Record<string, readonly string[]>> = {
  meta_get: ["EN"],
  meta_set: ["HD"],
  meta_delete: ["HD"],
  meta_arithmetic: ["HD", "VA"],
};

/** Statistics of memcached's that mean nothing for several servers. */
const NOT_ALLOWED: Buffer = line(`CLIENT_ERROR stats proxy: ${NOT_ALLOWED_TEXT}`);
const STATISTICS_OF_ONE: ReadonlySet<string> = new Set(
  "conns cachedump detail extstore sizes_enable sizes_disable".split(" "),
);
