/** What `proxy top` asks the proxy for, and what it knows of the processes itself. */
import type { Status } from "../api/control-socket.ts";
import type { ClientReport } from "../api/inspection.ts";
import type { BigKeyRow, HotKeyRow } from "../api/key-report.ts";
import { type ProcessFacts, readProcess } from "../os/process-facts.ts";
import { askStatus } from "./ask-status.ts";
import { type Answer, type ControlFlags, callProxy } from "./control-client.ts";

/** One look. */
export interface Look {
  readonly status: Status;
  /** By a monotonic clock. */
  readonly atMs: number;
  /** Null: it is not known, because the workers did not answer in time or the proxy is older than this. */
  readonly clients: ClientReport | null;
  readonly hot: readonly HotKeyRow[];
  readonly big: readonly BigKeyRow[];
  /** By process id: of those that can be seen from here. */
  readonly facts: ReadonlyMap<number, ProcessFacts>;
}

/** Enough to find the busiest of the moment among those that were busy. */
const CLIENTS_ASKED = 300;
const KEYS_ASKED = 30;
const CALL = { timeoutMs: 5_000, untilGone: false };
const NO_FILTER = { address: null, name: null, user: null, state: null };

/** @param pool of which clients and keys are told; null: of all */
export async function look(flags: ControlFlags, pool: string | null): Promise<Look | Answer> {
  const answer = await askStatus(flags);
  if (answer.kind !== "result" || !answer.result.ok || answer.result.verb !== "status") {
    return answer;
  }
  const { status } = answer.result;
  const atMs = performance.now();
  const [clients, hot, big] = await Promise.all([
    clientsOf(flags, pool),
    hotKeys(flags, pool),
    bigKeys(flags, pool),
  ]);
  const facts = new Map<number, ProcessFacts>();
  for (const { pid } of status.processes) {
    const known = pid === null ? null : readProcess(pid);
    if (pid !== null && known !== null) facts.set(pid, known);
  }
  return { status, atMs, clients, hot, big, facts };
}

async function clientsOf(flags: ControlFlags, pool: string | null): Promise<ClientReport | null> {
  const query = { ...NO_FILTER, pool, order: "requests", limit: CLIENTS_ASKED } as const;
  const answer = await callProxy(flags, { verb: "clients", query }, CALL);
  if (answer.kind !== "result" || !answer.result.ok) return null;
  return answer.result.verb === "clients" ? answer.result.report : null;
}

async function hotKeys(flags: ControlFlags, pool: string | null): Promise<readonly HotKeyRow[]> {
  const answer = await callProxy(flags, { verb: "hotkeys", pool, limit: KEYS_ASKED }, CALL);
  if (answer.kind !== "result" || !answer.result.ok) return [];
  return answer.result.verb === "hotkeys" ? answer.result.report.rows : [];
}

async function bigKeys(flags: ControlFlags, pool: string | null): Promise<readonly BigKeyRow[]> {
  const request = { verb: "bigkeys", pool, limit: KEYS_ASKED, order: "bytes" } as const;
  const answer = await callProxy(flags, request, CALL);
  if (answer.kind !== "result" || !answer.result.ok) return [];
  return answer.result.verb === "bigkeys" ? answer.result.report.rows : [];
}
