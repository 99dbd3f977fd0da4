/** A pool whose servers are a Redis Cluster: what makes it one, in one worker. */
import type { PoolHost } from "../../../api/protocol-module.ts";
import type { CommandTable } from "../commands/command-table.ts";
import type { RedisOptions } from "../options.ts";
import type { Parking } from "../redirect/parking.ts";
import { Redirector } from "../redirect/redirector.ts";
import { ServerFollower } from "../redirect/server-follower.ts";
import { ClusterTopology, memberNamed } from "./cluster-topology.ts";
import { ClusterWatch } from "./cluster-watch.ts";

export class Cluster extends ServerFollower {
  readonly topology: ClusterTopology;
  private readonly watch: ClusterWatch;

  /** @param options of the pool: addresses of nodes, as a configuration has them, and the nodes' password */
  constructor(
    host: PoolHost,
    { clusterSeeds, password }: Pick<RedisOptions, "clusterSeeds" | "password">,
    commands: CommandTable,
    parking: Parking,
  ) {
    const topology = new ClusterTopology(clusterSeeds);
    super(new Redirector(host, topology, commands, parking));
    this.topology = topology;
    this.watch = new ClusterWatch(host, topology, password);
    const { redirector, watch } = this;
    topology.onMoved = (from, to) => redirector.fence(memberNamed(from).id, memberNamed(to).id);
    redirector.onSuspicion = () => watch.want();
    watch.onKnown = () => redirector.onKnown();
  }

  admit(server: string): void {
    this.topology.admit(server);
  }

  override close(): void {
    this.watch.close();
    super.close();
  }
}
