/** A session over servers of the embedded Redis, which lend connections: what the test sees is what servers got, and over which. */

import type {
  ConnectionKind,
  Failure,
  Lease,
  ReplySink,
  Upstream,
} from "../../../../../../src/api/upstream.ts";
import { connectionKind } from "../../../../../../src/api/upstream.ts";
import type { Turn } from "../../../../../../src/base/turn.ts";
import { createClientState } from "../../../../../../src/dev/redis/client-state.ts";
import type { Shard } from "../../../../../../src/dev/redis/command.ts";
import { execute } from "../../../../../../src/dev/redis/execute.ts";
import { createShard } from "../../../../../../src/dev/redis/shard.ts";
import type { RedisClientState } from "../../../../../../src/protocols/redis/client/client-state.ts";
import { createRig, FakeConnection, type Rig } from "../../../../client/session-rig.ts";

/** @see createTransactionRig: to the command that it `forbids`. */
const NOPERM = "-NOPERM not for you\r\n";
const MEMORY_BYTES_MAX = 1024 * 1024;

export class FakeLease extends FakeConnection implements Lease {
  readonly upstream: Upstream;
  readonly variant: ConnectionKind;
  mayBlock = false;
  whenLost: (failure: Failure) => void = () => {};
  /** What became of it. */
  fate: "lent" | "clean" | "unclean" | "lost" | "left" = "lent";
  readonly fd: number = 99;
  private readonly onGone: () => void;
  private readonly execute: (args: readonly string[]) => string | null;

  constructor(
    upstream: Upstream,
    variant: ConnectionKind,
    turn: Turn,
    answerOf: (args: readonly string[]) => string | null,
    onGone: () => void,
  ) {
    super(upstream.id, turn, answerOf);
    this.upstream = upstream;
    this.variant = variant;
    this.onGone = onGone;
    this.execute = answerOf;
  }

  whenReady(callback: (failure: Failure | null) => void): void {
    callback(null);
  }

  quiesce(): void {}

  get isMovable(): boolean {
    return this.waiting.length === 0;
  }

  release(isClean: boolean): void {
    if (this.fate !== "lent") throw new Error(`released, and it is ${this.fate}`);
    if (isClean && this.waiting.length > 0) throw new Error("released with requests on it");
    this.end(isClean ? "clean" : "unclean");
  }

  leave(): void {
    this.fate = "left";
  }

  expect(_sink: ReplySink, _token: number): void {
    throw new Error("nothing is expected here");
  }

  /** The server closes the connection; `executed` of the requests that wait were executed before. */
  lose(executed: number = 0): void {
    for (const { args } of this.waiting.slice(0, executed)) this.execute(args);
    const failure: Failure = { kind: "closed", wasSent: true, text: "lost" };
    const waiting = this.waiting.splice(0);
    for (const { sink, token } of waiting) sink.onFailure(token, 1, failure);
    if (this.fate !== "lent") return;
    this.refusal = failure;
    this.end("lost");
    this.whenLost(failure);
  }

  /** The oldest request gets no reply in time. */
  expire(): void {
    const { sink, token } = this.waiting.shift()!;
    sink.onFailure(token, 1, { kind: "timeout", wasSent: true, text: "too late" });
  }

  private end(fate: "clean" | "unclean" | "lost"): void {
    this.fate = fate;
    this.waiting.length = 0;
    this.onGone();
  }
}

export interface TransactionRig extends Rig {
  readonly shards: readonly Shard[];
  /** All that were ever lent, oldest first. */
  readonly leases: readonly FakeLease[];
  /** False: no more are lent. */
  mayLend: boolean;
  /** Asks, lets everything happen, and tells what the client received for it. */
  talk(...requests: readonly string[]): Promise<string>;
  /** The same without the servers answering. */
  send(...requests: readonly string[]): Promise<string>;
  /** What a server got over its shared connection, or over `lease`, one request a line. */
  got(connection: FakeConnection): string[];
  /** Somebody else does something at a server. */
  elsewhere(server: number, ...args: string[]): string;
}

export function createTransactionRig(
  options: {
    servers?: number;
    state?: RedisClientState;
    forbids?: string;
    splitsTransactions?: boolean;
  } = {},
): TransactionRig {
  const { servers = 2 } = options;
  const shards = Array.from({ length: servers }, () =>
    createShard(MEMORY_BYTES_MAX, () => 1_000_000),
  );
  const leases: FakeLease[] = [];
  let ids = 0;
  const connect = (server: number): { ask: (args: readonly string[]) => string; end(): void } => {
    const shard = shards[server]!;
    const client = createClientState(++ids, () => {});
    shard.clients.add(client);
    return {
      ask: (args) => (args[0] === options.forbids ? NOPERM : execute(shard, client, [...args])),
      end: () => shard.clients.delete(client),
    };
  };
  const shared = shards.map((_, server) => connect(server));
  const others = shards.map((_, server) => connect(server));
  const rig = createRig({
    ...options,
    servers,
    answerOf: (args, server) => shared[server]!.ask(args),
    lend: (upstream, variant, turn) => {
      if (!extended.mayLend) return null;
      const { ask, end } = connect(upstream.id);
      const lease = new FakeLease(upstream, connectionKind(variant), turn, ask, end);
      leases.push(lease);
      return lease;
    },
  });
  // As after somebody's first transaction.
  rig.pool.variants.access.opensTransactions = options.forbids === undefined;
  let seen = 0;
  const fresh = (): string => {
    const { output } = rig.stream;
    const text = output.substring(seen);
    seen = output.length;
    return text.replaceAll("\r\n", " ").trim();
  };
  const extended: TransactionRig = Object.assign(rig, {
    shards,
    leases,
    mayLend: true,
    async send(...requests: readonly string[]) {
      rig.input(requests.map((request) => `${request}\r\n`).join(""));
      await rig.turn();
      return fresh();
    },
    async talk(...requests: readonly string[]) {
      rig.input(requests.map((request) => `${request}\r\n`).join(""));
      await settleAll(extended);
      return fresh();
    },
    got: (connection: FakeConnection) => connection.requests.map((args) => args.join(" ")),
    elsewhere: (server: number, ...args: string[]) => others[server]!.ask(args),
  });
  return extended;
}

/** Turns pass and servers answer, over all connections, until nothing moves any more. */
export async function settleAll(rig: TransactionRig): Promise<void> {
  for (let idle = 0; idle < 2; idle++) {
    await rig.turn();
    for (const lease of rig.leases) {
      if (lease.waiting.length === 0) continue;
      idle = 0;
      lease.answer();
    }
    await rig.settle();
  }
}
