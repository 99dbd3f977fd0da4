/** A pool whose servers are masters that Redis Sentinels watch: what makes it one, in one worker. */
import type { PoolHost } from "../../../api/protocol-module.ts";
import type { CommandTable } from "../commands/command-table.ts";
import type { RedisOptions } from "../options.ts";
import type { Parking } from "../redirect/parking.ts";
import { Redirector } from "../redirect/redirector.ts";
import { ServerFollower } from "../redirect/server-follower.ts";
import { SentinelTopology } from "./sentinel-topology.ts";
import { SentinelWatch } from "./sentinel-watch.ts";

export class Sentinels extends ServerFollower {
  readonly topology: SentinelTopology;
  private readonly watch: SentinelWatch;

  constructor(host: PoolHost, options: RedisOptions, commands: CommandTable, parking: Parking) {
    const topology = new SentinelTopology(host.config.servers);
    super(new Redirector(host, topology, commands, parking));
    this.topology = topology;
    const { sentinels, sentinelUser: user, sentinelPassword: password } = options;
    this.watch = new SentinelWatch(host, topology, sentinels, { user, password });
    const { redirector, watch } = this;
    topology.onMoved = (from, to) => redirector.fence(from, to);
    topology.onKnown = () => redirector.onKnown();
    redirector.onSuspicion = () => watch.want();
  }

  admit(): void {}

  override close(): void {
    this.watch.close();
    super.close();
  }
}
