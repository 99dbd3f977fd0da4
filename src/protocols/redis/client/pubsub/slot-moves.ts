/** Shard channels whose node of a cluster says that they are elsewhere: they are subscribed there. */
import type { Upstream } from "../../../../api/upstream.ts";
import type { Deadlines } from "../../../../base/deadlines.ts";
import { CLUSTER_DOWN_WAIT_MS } from "../../../../base/limits.ts";
import type { Cluster } from "../../cluster/cluster.ts";
import type { Done } from "./server-subscription.ts";
import type { ServerSubscriptions } from "./server-subscriptions.ts";
import type { Topic } from "./topic.ts";

/** The cluster may not agree yet on where a slot is. */
const AGAIN_MS = 50;

export class SlotMoves {
  private readonly subscriptions: ServerSubscriptions;
  private readonly deadlines: Deadlines;
  private readonly cluster: Cluster;
  /** Since when a topic has been looked for. */
  private readonly sinceMs: Map<Topic, number> = new Map();

  constructor(cluster: Cluster, subscriptions: ServerSubscriptions, deadlines: Deadlines) {
    this.cluster = cluster;
    this.subscriptions = subscriptions;
    this.deadlines = deadlines;
  }

  /** See ServerSubscriptionEvents. */
  onElsewhere(server: Upstream, topics: readonly Topic[], error: Buffer, onDone: Done): void {
    const { nowMs } = this.deadlines;
    const isMoved = this.cluster.note(error, server.name)?.type === "moved";
    for (const topic of topics) {
      const sinceMs = this.sinceMs.get(topic) ?? nowMs;
      this.sinceMs.set(topic, sinceMs);
      const isLate = nowMs - sinceMs >= CLUSTER_DOWN_WAIT_MS;
      const end: Done = (outcome) => {
        this.sinceMs.delete(topic);
        onDone(outcome);
      };
      if (isLate) end(error);
      else if (isMoved) this.subscribe(topic, end);
      else this.deadlines.create(() => this.subscribe(topic, end)).set(nowMs + AGAIN_MS);
    }
  }

  private subscribe(topic: Topic, onDone: Done): void {
    if (topic.members === 0 || topic.number < 0) {
      onDone(null);
      return;
    }
    const place = this.subscriptions.placeOf(topic.kind, topic.name);
    topic.place = place;
    const lines = this.subscriptions.share([topic]);
    const line = lines[0]?.[0];
    if (line === undefined) onDone(null);
    else line.subscribe(topic.kind, [topic], onDone);
  }
}
