/**
 * A client's request that is answered in several steps, while no other one of that client is underway.
 *
 *   taking ──begin──▶ alone ──its steps give a reply──▶ taking
 *                       │ ▲
 *     they give a block │ │ unblocked: the first reply, or a connection is lost
 *                       ▼ │
 *                     blocked: the client waits as long as it takes, and may move with its own connections
 */
import type { Unblocked } from "proxy/module";
import type { ClientPort } from "../api/client-port.ts";
import type { Failure, ReplySink } from "../api/upstream.ts";
import { copyOf } from "../base/copy-of.ts";
import type { Wakeable } from "../base/turn.ts";
import { replyIn, ServerError } from "./asking.ts";
import { bytesOf } from "./message.ts";
import { Own, Owns, type SavedOwn } from "./own-connection.ts";
import type { ProxiedClient } from "./proxied-client.ts";
import { MAYBE, NO_SERVER, SERVER_GONE } from "./proxied-failures.ts";
import type { ProxiedPool } from "./proxied-pool.ts";
import { BlockPlan } from "./proxied-request.ts";
import type { ProxiedServer } from "./proxied-servers.ts";

/** Plain JSON data. */
export interface SavedAlone {
  readonly owns?: readonly SavedOwn[];
  /** The client waits for a reply over those of `owns` that are blocked. */
  readonly isBlocked?: boolean;
}

export class AloneRequest implements Wakeable {
  isWoken = false;
  readonly owns: Owns;
  private readonly pool: ProxiedPool;
  private readonly session: ClientPort;
  private readonly clientView: () => ProxiedClient;
  private mode: "taking" | "alone" | "blocked" = "taking";
  private token = 0;
  private isOver = false;

  constructor(pool: ProxiedPool, session: ClientPort, clientView: () => ProxiedClient) {
    this.pool = pool;
    this.session = session;
    this.clientView = clientView;
    this.owns = new Owns(session, (failure) => this.onLost(failure));
  }

  /** Servers may be asked for it. */
  get takesSteps(): boolean {
    return this.mode === "alone";
  }

  begin(hook: string, steps: () => unknown): void {
    this.token = this.session.open();
    this.takeSteps(hook, steps);
  }

  /** The request `bytes` goes over a connection to `server` that the client has for itself until it is answered. */
  wait(server: ProxiedServer | null, bytes: Buffer): void {
    this.begin("alone", () => this.waitAt(server, bytes));
  }

  private async waitAt(server: ProxiedServer | null, bytes: Buffer): Promise<BlockPlan> {
    if (server === null) throw new ServerError(NO_SERVER.text);
    return new BlockPlan([await this.owns.open(server)], bytes);
  }

  private takeSteps(hook: string, steps: () => unknown): void {
    this.mode = "alone";
    try {
      const result = steps();
      if (!(result instanceof Promise)) this.endSteps(hook, result);
      else {
        result.then(
          (value) => this.endSteps(hook, value),
          (error) => this.failSteps(hook, error),
        );
      }
    } catch (error) {
      this.failSteps(hook, error);
    }
  }

  private endSteps(hook: string, result: unknown): void {
    if (this.isOver) return;
    try {
      if (result instanceof BlockPlan) this.block(result);
      else this.endAlone(bytesOf(result, `what ${hook} gives`));
    } catch (error) {
      this.failSteps(hook, error);
    }
  }

  private failSteps(hook: string, error: unknown): void {
    if (this.isOver) return;
    const { pool } = this;
    if (error instanceof ServerError) {
      this.endAlone(pool.failure(error.message));
      return;
    }
    pool.instance.guard.failed(error, hook);
    this.endAlone(pool.failure(`${pool.ownFault}; ${MAYBE}`));
  }

  private endAlone(reply: Buffer): void {
    this.mode = "taking";
    this.session.reply(this.token, reply);
  }

  /** @throws TypeError: they are not the client's own */
  private block({ block, request: bytes }: BlockPlan): void {
    const owns = block.map((own) => {
      if (own instanceof Own) return own;
      throw new TypeError("block needs connections that client.open gave");
    });
    if (owns.length === 0) throw new TypeError("block needs at least one connection");
    this.mode = "blocked";
    this.session.waitBlocked();
    // One that was lost since it was opened ends the wait as one that is lost during it.
    if (owns.some((own) => !own.isOpen)) {
      this.session.turn.wake(this);
      return;
    }
    for (const own of owns) {
      own.isBlocked = true;
      own.lease.mayBlock = true;
      own.lease.send(bytes, 0, bytes.length, this.sinkOf(own), 0, 1);
    }
  }

  private sinkOf(own: Own): ReplySink {
    return {
      takesRuns: false,
      onReplies: (_token, _count, bytes, start, end) => {
        if (own.isBlocked) this.onUnblocked(own, copyOf(bytes, start, end));
      },
      // That the connection is lost is told by itself.
      onFailure() {},
    };
  }

  private onUnblocked(own: Own, reply: Buffer): void {
    own.isBlocked = false;
    own.lease.mayBlock = false;
    this.closeBlocked();
    if (this.pool.definition.unblocked === undefined) {
      own.close();
      this.endAlone(reply);
    } else this.tellUnblocked({ own, reply: replyIn(reply, own.server), failure: "" });
  }

  private onLost(failure: Failure): void {
    this.closeBlocked();
    if (this.pool.definition.unblocked !== undefined) {
      this.tellUnblocked({ own: null, reply: null, failure: failure.text });
      return;
    }
    this.mode = "taking";
    this.session.onFailure(this.token, 1, failure);
  }

  private closeBlocked(): void {
    for (const own of this.owns.blocked) own.close();
  }

  private tellUnblocked(end: Unblocked): void {
    const { definition, instance } = this.pool;
    this.takeSteps("unblocked", () =>
      definition.unblocked!(end, this.clientView(), instance.context),
    );
  }

  // Moving and ending

  get isReadyToMove(): boolean {
    const { mode, owns, session } = this;
    if (!owns.areMovable) return false;
    if (mode === "blocked") return session.owed === 1 && owns.blocked.length > 0;
    return mode === "taking" && session.isSettled;
  }

  save(): SavedAlone {
    const { owns, mode } = this;
    return owns.all.length === 0 ? {} : { owns: owns.save(), isBlocked: mode === "blocked" };
  }

  /** Goes on with what another process has saved; `descriptors` came along. */
  restore(saved: SavedAlone | undefined, descriptors: readonly number[]): void {
    const { owns, pool, session } = this;
    const left = Array.isArray(saved?.owns) ? (saved.owns as readonly SavedOwn[]) : [];
    const areThere = owns.adopt(pool.servers, left, descriptors, (own) => this.sinkOf(own));
    if (saved?.isBlocked !== true) return;
    this.token = session.open();
    this.mode = "blocked";
    session.waitBlocked();
    if (!areThere) session.turn.wake(this);
  }

  /** Of what the client waits for, something is not there. */
  wakeUp(): void {
    if (this.mode === "blocked" && !this.isOver) this.onLost(SERVER_GONE);
  }

  leave(): void {
    this.isOver = true;
    this.owns.leave();
  }

  close(): void {
    this.isOver = true;
    this.owns.closeAll();
  }
}
