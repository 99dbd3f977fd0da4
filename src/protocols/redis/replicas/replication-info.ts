/** What a server says of its replication, and how far that is behind its primary. */

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

/** How far a primary was when. */
export class PrimaryHistory {
  private history = "";
  private samples: { readonly ms: number; readonly offset: number }[] = [];

  add({ history, offset }: ReplicationInfo, nowMs: number): void {
    if (history !== this.history) this.samples = [];
    this.history = history;
    this.samples.push({ ms: nowMs, offset });
    if (this.samples.length > SAMPLES_MAX) this.samples.shift();
  }

  /** By how many milliseconds `replica` is behind; null: it is no replica of this primary, or its data are not whole. */
  lagOf(replica: ReplicationInfo, nowMs: number): number | null {
    const { samples } = this;
    if (!replica.isReplica || replica.isSyncing || replica.history !== this.history) return null;
    if (!replica.isLinked) return replica.downForMs;
    const ahead = samples.findIndex(({ offset }) => offset > replica.offset);
    if (ahead < 0) return 0;
    // It was at the one before, or between the two.
    return nowMs - samples[Math.max(ahead - 1, 0)]!.ms;
  }
}
