/**
 * The client's side of a module's protocol whose requests go on to servers.
 *
 *   request ─▶ plan ─▶ carried out at once                                   forward, ask, askAll, answer, fail, end
 *                  └─▶ when all before it are answered, and before the next   alone, forwardBlocking
 *                        └─ block ─▶ the client waits, and may move ─▶ the first reply ─▶ unblocked
 */
import type { Bytes, Reply } from "proxy/module";
import type { ClientPort } from "../api/client-port.ts";
import type { Frontend } from "../api/frontend.ts";
import { plainLane } from "../api/lane.ts";
import { INCOMPLETE } from "../api/protocol.ts";
import { type Failure, FIRST_KIND, type Link, type Upstream } from "../api/upstream.ts";
import { copyOf } from "../base/copy-of.ts";
import { MODULE_REQUEST_BYTES_MAX } from "../base/limits.ts";
import { Run } from "../protocols/run.ts";
import { AloneRequest, type SavedAlone } from "./alone-request.ts";
import { type Answer, ask, replyIn } from "./asking.ts";
import { bytesOf, MessageView } from "./message.ts";
import { ProxiedClient } from "./proxied-client.ts";
import { MAYBE, NO_SERVER } from "./proxied-failures.ts";
import type { ProxiedPool } from "./proxied-pool.ts";
import { type Merge, type Plan, planOf, RequestVerbs } from "./proxied-request.ts";
import type { ProxiedServer } from "./proxied-servers.ts";

/** What is saved of a client, plain JSON data: `module` is the module's own. */
export interface SavedProxied extends SavedAlone {
  readonly module?: unknown;
}

/** Reused: they show one request after the other. */
const view: MessageView = new MessageView();
const request: RequestVerbs = new RequestVerbs();

export class ProxiedFrontend implements Frontend {
  readonly need: number = 0;
  readonly prefersToStay: boolean = false;
  private readonly pool: ProxiedPool;
  private readonly session: ClientPort;
  private readonly run: Run = new Run();
  private readonly alone: AloneRequest;
  /** Made for the first request. */
  private client: ProxiedClient | null = null;
  private readonly saved: unknown;
  /** Decided, and not carried out yet; null: there is none. Its request is the first in the input, of `plannedBytes`. */
  private planned: Plan | null = null;
  private plannedBytes = 0;
  private localCount = 0;
  private faultCount = 0;
  private isOver = false;

  constructor(
    pool: ProxiedPool,
    session: ClientPort,
    saved: SavedProxied | undefined,
    descriptors: readonly number[],
  ) {
    this.pool = pool;
    this.session = session;
    this.saved = saved?.module;
    this.alone = new AloneRequest(pool, session, () => this.clientView);
    this.alone.restore(saved, descriptors);
  }

  // Requests

  consume(bytes: Buffer, start: number, end: number): number {
    const { session, pool } = this;
    let position = start;
    let requests = 0;
    // Its time has come, also when no more are taken.
    if (this.planned !== null) {
      const next = start + this.plannedBytes;
      if (!session.isOpen || !this.carryOut(this.planned, bytes, start, next)) return start;
      this.planned = null;
      requests++;
      position = next;
    }
    while (session.mayTakeMore() && position < end) {
      const next = this.take(bytes, position, end);
      if (next <= position) break;
      requests++;
      position = next;
    }
    this.run.flush();
    pool.host.count(requests, this.localCount, this.faultCount);
    this.localCount = 0;
    this.faultCount = 0;
    return position;
  }

  /** Takes the request that begins at `start`. @returns where it ends; `start`: it is not complete, or not taken yet */
  private take(bytes: Buffer, start: number, end: number): number {
    const next = this.pool.requests.scan(bytes, start, end);
    if (next === INCOMPLETE && end - start <= MODULE_REQUEST_BYTES_MAX) return start;
    if (next <= start) {
      this.refuseAll();
      return end;
    }
    if (this.pool.definition.key !== undefined) {
      return this.forwardByKey(bytes, start, next) ? next : start;
    }
    const plan = this.judge(bytes, start, next);
    if (this.carryOut(plan, bytes, start, next)) return next;
    this.planned = plan;
    this.plannedBytes = next - start;
    return start;
  }

  /** What the client sends makes no sense any more. */
  private refuseAll(): void {
    this.faultCount++;
    this.answerLocally(this.pool.failure("Protocol error: what the client sends is no request"));
    this.session.finish();
  }

  private answerLocally(reply: Buffer): void {
    this.localCount++;
    this.run.flush();
    this.session.reply(this.session.open(), reply);
  }

  /** @returns false: not now */
  private forwardByKey(bytes: Buffer, start: number, end: number): boolean {
    const { instance, definition, servers } = this.pool;
    const startMs = this.pool.now();
    try {
      const key = definition.key!(view.bind(bytes, start, end));
      view.unbind();
      instance.guard.ended(startMs, "key");
      const upstream =
        key === null
          ? (servers.from(plainLane(this.session.lane))?.upstream ?? null)
          : servers.upstreamOf(key);
      return this.forward(upstream, bytes, start, end);
    } catch (error) {
      instance.guard.failed(error, "key");
      this.answerLocally(this.pool.failure(this.pool.ownFault));
      return true;
    }
  }

  private judge(bytes: Buffer, start: number, end: number): Plan {
    const { instance, definition } = this.pool;
    const startMs = this.pool.now();
    try {
      const client = this.clientView;
      const plan = planOf(
        definition.request!(request.bind(bytes, start, end), client, instance.context),
      );
      instance.guard.ended(startMs, "request");
      return plan;
    } catch (error) {
      instance.guard.failed(error, "request");
      return { verb: "fail", text: this.pool.ownFault };
    } finally {
      request.unbind();
    }
  }

  /** @throws what the module's `state` throws */
  private get clientView(): ProxiedClient {
    if (this.client !== null) return this.client;
    const { session, pool, alone } = this;
    const initial = pool.definition.state?.() ?? {};
    this.client = new ProxiedClient({
      ...{ session, pool, connections: alone.owns },
      state: { ...(initial as object), ...(this.saved as object | undefined) },
      isAlone: () => alone.takesSteps,
    });
    return this.client;
  }

  // What becomes of them

  /** @returns false: not now, and nothing was done */
  private carryOut(plan: Plan, bytes: Buffer, start: number, end: number): boolean {
    switch (plan.verb) {
      case "forward":
        return this.forward(plan.server?.upstream ?? null, bytes, start, end);
      case "ask":
        return this.ask(plan, plan.server);
      case "askAll":
        return this.askAll(plan, plan.merge);
      case "alone":
        return this.beginAlone(() => this.alone.begin("alone", plan.steps));
      case "forwardBlocking":
        return this.beginAlone(() => this.alone.wait(plan.server, copyOf(bytes, start, end)));
      default:
        this.answerBy(plan);
        return true;
    }
  }

  private answerBy(plan: Extract<Plan, { verb: "fail" | "answer" | "end" }>): void {
    if (plan.verb === "fail") this.answerLocally(this.pool.failure(plan.text));
    else if (plan.reply !== null) this.answerLocally(plan.reply);
    this.run.flush();
    if (plan.verb === "end") this.session.finish();
  }

  private forward(upstream: Upstream | null, bytes: Buffer, start: number, end: number): boolean {
    const { session } = this;
    const connection = upstream?.connection(session.lane, FIRST_KIND);
    const refusal = connection === undefined ? NO_SERVER : connection.refusal;
    if (connection === undefined || refusal !== null) {
      session.onFailure(session.open(), 1, refusal!);
      return true;
    }
    if (this.isFull(connection)) return false;
    this.run.add(connection, session, session.open(), bytes, start, end);
    return true;
  }

  private isFull(connection: Link): boolean {
    if (connection.refusal !== null || !connection.isFull) return false;
    this.session.waitFor(connection);
    return true;
  }

  private ask(
    { asked, convert }: Extract<Plan, { verb: "ask" }>,
    server: ProxiedServer | null,
  ): boolean {
    const { session } = this;
    if (server === null) {
      session.onFailure(session.open(), 1, NO_SERVER);
      return true;
    }
    const connection = server.upstream.connection(session.lane, FIRST_KIND);
    if (this.isFull(connection)) return false;
    this.run.flush();
    const token = session.open();
    ask(connection, asked, (answer) => {
      if (!Buffer.isBuffer(answer)) session.onFailure(token, 1, answer);
      else this.settle(token, "convert", () => convert(replyIn(answer, server)));
    });
    return true;
  }

  private askAll({ asked }: Extract<Plan, { verb: "askAll" }>, merge: Merge): boolean {
    const { session, pool } = this;
    const servers = pool.servers.all;
    const connections = servers.map(({ upstream }) =>
      upstream.connection(session.lane, FIRST_KIND),
    );
    if (connections.some((connection) => this.isFull(connection))) return false;
    this.run.flush();
    const token = session.open();
    const answers: Answer[] = [];
    let missing = connections.length;
    for (const [index, connection] of connections.entries()) {
      ask(connection, asked, (answer) => {
        answers[index] = answer;
        if (--missing === 0) this.mergeAnswers(token, servers, answers, merge);
      });
    }
    return true;
  }

  private mergeAnswers(
    token: number,
    servers: readonly ProxiedServer[],
    answers: readonly Answer[],
    merge: Merge,
  ): void {
    const replies: Reply[] = [];
    const failures: Failure[] = [];
    for (const [index, answer] of answers.entries()) {
      if (Buffer.isBuffer(answer)) replies.push(replyIn(answer, servers[index]!));
      else failures.push(answer);
    }
    if (replies.length === 0) this.session.onFailure(token, 1, failures[0] ?? NO_SERVER);
    else {
      const texts = failures.map(({ text }) => text);
      this.settle(token, "merge", () => merge(replies, texts));
    }
  }

  /** Answers with what a module's `make` gives. It is not called for a client that is gone. */
  private settle(token: number, hook: string, make: () => Bytes): void {
    const { session, pool } = this;
    if (this.isOver) return;
    const reply = pool.instance.call(hook, () => bytesOf(make(), `what ${hook} returns`));
    session.reply(token, reply ?? pool.failure(`${this.pool.ownFault}; ${MAYBE}`));
  }

  /** @returns false: not now, because earlier requests are not answered */
  private beginAlone(begin: () => void): boolean {
    // What follows is taken when this is answered.
    this.session.waitUntilSettled();
    if (!this.session.isSettled) return false;
    this.run.flush();
    begin();
    return true;
  }

  // What servers say, moving and ending

  failureReply(failure: Failure): Buffer {
    return this.pool.failureReply(failure);
  }

  get isReadyToMove(): boolean {
    return this.planned === null && this.alone.isReadyToMove;
  }

  get descriptors(): readonly number[] {
    return this.alone.owns.descriptors;
  }

  get needsFormat(): number {
    return this.alone.owns.all.length > 0 ? FORMAT_OF_OWNS : 1;
  }

  saveState(): SavedProxied {
    const { client, pool, alone } = this;
    const state = client === null ? this.saved : client.state;
    const module: unknown =
      state === undefined
        ? undefined
        : pool.instance.call("state", () => JSON.parse(JSON.stringify(state)));
    return module === undefined ? alone.save() : { ...alone.save(), module };
  }

  onRouteChange(): void {}

  leave(): void {
    this.isOver = true;
    this.alone.leave();
  }

  close(): void {
    this.isOver = true;
    this.alone.close();
  }
}

/** Programs before it know no modules that have servers. */
const FORMAT_OF_OWNS = 4;
