/** What a server says of its replication, and how far that is behind its primary. */

import { REPLICA_LOOK_MS } from "../../../base/replica-limits.ts";

/** Of INFO replication, what matters here. */
export interface ReplicationInfo {
  readonly isReplica: boolean;
  /** Of its data's history: a replica of this primary has the same. */
  readonly history: string;
  /** Bytes of that history. */
  readonly offset: number;
  readonly isLinked: boolean;
  readonly isSyncing: boolean;
  /** Since when the link to its primary is down; null: it is up, or was never. */
  readonly downForMs: number | null;
}

export function readReplicationInfo(text: string): ReplicationInfo | null {
  const fields = new Map<string, string>();
  for (const line of text.split("\r\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) fields.set(line.substring(0, colon), line.substring(colon + 1));
  }
  const role = fields.get("role");
  if (role === undefined) return null;
  const isReplica = role === "slave";
  const offset = Number(fields.get(isReplica ? "slave_repl_offset" : "master_repl_offset"));
  const downFor = Number(fields.get("master_link_down_since_seconds") ?? -1);
  return {
    isReplica,
    history: fields.get("master_replid") ?? "",
    offset: Number.isFinite(offset) ? offset : -1,
    isLinked: fields.get("master_link_status") === "up",
    isSyncing: fields.get("master_sync_in_progress") === "1",
    downForMs: downFor >= 0 ? downFor * 1000 : null,
  };
}

const SAMPLES_MAX = 64;
/** Two samples that say the same, and are not further apart, may be one that was told twice. */
const TOLD_AGAIN_MS: number = REPLICA_LOOK_MS / 2;

/** How far a primary was when. */
export class PrimaryHistory {
  private history = "";
  private samples: { readonly ms: number; readonly offset: number }[] = [];

  add({ history, offset }: Pick<ReplicationInfo, "history" | "offset">, nowMs: number): void {
    const last = this.samples.at(-1);
    if (last !== undefined && nowMs < last.ms) return;
    if (history !== this.history) this.samples = [];
    else if (last?.offset === offset && nowMs - last.ms < TOLD_AGAIN_MS) return;
    this.history = history;
    this.samples.push({ ms: nowMs, offset });
    if (this.samples.length > SAMPLES_MAX) this.samples.shift();
  }

  /**
   * By how many milliseconds `replica` is behind; null: it is no replica of this primary, or its data are not whole.
   * @param knownMs what it is behind at the most, by what was known before; counts where the samples do not reach back so far
   */
  lagOf(replica: ReplicationInfo, nowMs: number, knownMs = 0): number | null {
    const { samples } = this;
    if (!replica.isReplica || replica.isSyncing || replica.history !== this.history) return null;
    if (!replica.isLinked) return replica.downForMs;
    const ahead = samples.findIndex(({ offset }) => offset > replica.offset);
    if (ahead < 0) return 0;
    if (ahead === 0) return Math.max(nowMs - samples[0]!.ms, knownMs);
    // It was at the one before, or between the two.
    return nowMs - samples[ahead - 1]!.ms;
  }
}
