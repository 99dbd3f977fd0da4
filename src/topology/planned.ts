/** Servers of a pool whose keys move from some to others: those that a migration names, or those of the configuration. */
import type { ServerConfig } from "../api/config.ts";
import type { Member, Topology } from "../api/topology.ts";
import { memberOf } from "./static.ts";

export class PlannedTopology implements Topology {
  members: readonly Member[];
  epoch = 0;
  private onChange: () => void = () => {};

  /** @param servers in ring order */
  constructor(servers: readonly ServerConfig[]) {
    this.members = membersOf(servers);
  }

  watch(onChange: () => void): void {
    this.onChange = onChange;
  }

  close(): void {}

  /** From now on these. @param servers a server that is there twice counts once */
  set(servers: readonly ServerConfig[]): void {
    const members = membersOf(servers);
    if (members.map(({ id }) => id).join("\n") === this.members.map(({ id }) => id).join("\n")) {
      return;
    }
    this.members = members;
    this.epoch++;
    this.onChange();
  }
}

function membersOf(servers: readonly ServerConfig[]): readonly Member[] {
  return [...new Map(servers.map(memberOf).map((member) => [member.id, member])).values()];
}
