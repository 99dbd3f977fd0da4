/**
 * Asks the replicas of primaries that are lost what they are: the one that takes a primary's place knows it first. So the proxy hears of a
 * failover as soon as there was one, and need not ask more often than once a second how the whole cluster is.
 */
import type { PoolHost } from "../../../api/protocol-module.ts";
import type { Deadline } from "../../../base/deadlines.ts";
import {
  CLUSTER_HEIR_CLAIMS,
  CLUSTER_HEIR_LOOK_MS,
  CLUSTER_HEIR_WATCH_MS,
} from "../../../base/limits.ts";
import type { Decoded } from "../codec/decode.ts";
import { encodeRequest } from "../codec/encode.ts";
import { type ServerIdentity, ServerLine } from "../redirect/server-line.ts";
import type { ClusterTopology } from "./cluster-topology.ts";

const QUESTION: Buffer = encodeRequest("ROLE");

/** One replica of a primary that is lost. */
interface Heir {
  line: ServerLine | null;
  /** It has been asked, and not answered so far. */
  isAsked: boolean;
  /** So often it has said that it is a primary, though its cluster was not known to have agreed. */
  claims: number;
  /** Since when its primary is lost. */
  readonly sinceMs: number;
}

export class HeirWatch {
  private readonly host: PoolHost;
  private readonly topology: ClusterTopology;
  private readonly identity: ServerIdentity;
  private readonly lost: () => readonly string[];
  private readonly onClaim: () => void;
  private readonly asking: Deadline;
  /** It will look again by itself. */
  private isWatching = false;
  /** By address. */
  private readonly heirs: Map<string, Heir> = new Map();

  /**
   * @param lost the names of the primaries that are lost now
   * @param onClaim a replica of one of them says that it is a primary
   */
  constructor(
    host: PoolHost,
    topology: ClusterTopology,
    password: string | null,
    lost: () => readonly string[],
    onClaim: () => void,
  ) {
    this.host = host;
    this.topology = topology;
    this.identity = { user: null, password };
    this.lost = lost;
    this.onClaim = onClaim;
    this.asking = host.deadlines.create((nowMs) => this.look(nowMs));
  }

  /** Some primary may be lost. Costs nothing while it is watched already. */
  start(): void {
    if (!this.isWatching) this.asking.setNoLater(this.host.turn.nowMs);
  }

  /** Another worker of the host does it. */
  stop(): void {
    this.asking.cancel();
    this.isWatching = false;
    for (const name of [...this.heirs.keys()]) this.forget(name);
  }

  private look(nowMs: number): void {
    const lost = this.lost();
    const replicas = (this.topology.view?.replicas ?? []).flatMap(([owner, names]) =>
      lost.includes(owner) ? names : [],
    );
    for (const name of [...this.heirs.keys()]) if (!replicas.includes(name)) this.forget(name);
    this.isWatching = false;
    for (const name of replicas) {
      const heir = this.heirs.get(name) ?? this.add(name, nowMs);
      if (nowMs - heir.sinceMs >= CLUSTER_HEIR_WATCH_MS) this.hangUp(heir);
      else {
        this.isWatching = true;
        this.ask(name, heir);
      }
    }
    if (this.isWatching) this.asking.setNoLater(nowMs + CLUSTER_HEIR_LOOK_MS);
  }

  private add(name: string, sinceMs: number): Heir {
    const heir: Heir = { line: null, isAsked: false, claims: 0, sinceMs };
    this.heirs.set(name, heir);
    return heir;
  }

  private ask(name: string, heir: Heir): void {
    if (heir.isAsked || heir.claims >= CLUSTER_HEIR_CLAIMS) return;
    heir.isAsked = true;
    if (heir.line !== null) {
      heir.line.ask(QUESTION);
      return;
    }
    const line = new ServerLine(this.host, name, this.identity, [QUESTION], {
      onReply: (reply) => this.onRole(heir, reply),
      onDown: () => {
        heir.line = null;
        heir.isAsked = false;
      },
    });
    heir.line = line.isMade ? line : null;
    heir.isAsked = line.isMade;
  }

  private onRole(heir: Heir, reply: Decoded): void {
    heir.isAsked = false;
    const [role] = Array.isArray(reply) ? (reply as readonly Decoded[]) : [];
    if (!Buffer.isBuffer(role) || role.toString("latin1") !== "master") return;
    heir.claims++;
    this.onClaim();
  }

  private forget(name: string): void {
    const heir = this.heirs.get(name);
    this.heirs.delete(name);
    if (heir !== undefined) this.hangUp(heir);
  }

  private hangUp(heir: Heir): void {
    heir.line?.close();
    heir.line = null;
    heir.isAsked = false;
  }
}
