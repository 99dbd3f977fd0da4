/** How many shared connections each server of a pool has, by kind: as many as configured, if there are descriptors for them. */
import type { ConnectionKind } from "../api/upstream.ts";
import type { DescriptorBudget } from "../base/descriptor-budget.ts";

export class ConnectionPlan {
  private readonly descriptors: DescriptorBudget;
  private servers: number;
  private readonly wanted: number;
  /** By variant: connections to each server. */
  private readonly planned: (number | undefined)[] = [];
  /** The same, for heavy clients. */
  private readonly heavy: (number | undefined)[] = [];

  /** @param wanted connections of each kind to each of the pool's `servers` servers */
  constructor(descriptors: DescriptorBudget, servers: number, wanted: number) {
    this.descriptors = descriptors;
    this.servers = servers;
    this.wanted = wanted;
  }

  /** The same for every server, until `giveUp`: a client's requests must keep to one connection. */
  connectionsOf(variant: ConnectionKind, isHeavy: boolean): number {
    const planned = isHeavy ? this.heavy : this.planned;
    const known = planned[variant];
    if (known !== undefined) return known;
    const each = this.descriptors.plan(this.servers, this.wanted);
    planned[variant] = each;
    return each;
  }

  /** The pool has so many servers from now on. */
  resize(servers: number): void {
    for (const each of [...this.planned, ...this.heavy]) {
      if (each !== undefined) this.descriptors.resize(each, this.servers, servers);
    }
    this.servers = servers;
  }

  /** No server has connections of that kind any more. */
  giveUp(variant: ConnectionKind): void {
    for (const planned of [this.planned, this.heavy]) {
      const each = planned[variant];
      if (each === undefined) continue;
      this.descriptors.giveUp(this.servers, each);
      planned[variant] = undefined;
    }
  }
}
