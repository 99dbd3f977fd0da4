/** The servers of a pool without those that an operator has drained: they are as if they were not there. */
import type { Member, Topology } from "../api/topology.ts";
import { formatAddress } from "../config/address.ts";
import { didYouMean } from "../config/nearest.ts";
import { PlannedTopology } from "./planned.ts";

const NONE: ReadonlySet<string> = new Set();

export class DrainableTopology implements Topology {
  members: readonly Member[];
  replicas: Topology["replicas"];
  epoch = 0;
  private readonly inner: Topology;
  /** Names and addresses. */
  private drained: ReadonlySet<string> = NONE;
  private onChange: () => void = () => {};

  constructor(inner: Topology) {
    this.inner = inner;
    this.members = inner.members;
    this.replicas = inner.replicas;
  }

  get slots(): Int16Array | undefined {
    return this.inner.slots;
  }

  get spares(): readonly Member[] | undefined {
    return this.inner.spares;
  }

  watch(onChange: () => void): void {
    this.onChange = onChange;
    this.inner.watch(() => this.renew());
  }

  close(): void {
    this.inner.close();
  }

  /**
   * From now on the servers of these names or addresses are not there; what is in no such set any more is there again.
   * @returns false: that would leave no server, so none is drained
   */
  drain(servers: ReadonlySet<string>): boolean {
    const isSame =
      servers.size === this.drained.size && [...servers].every((name) => this.drained.has(name));
    if (!isSame) {
      this.drained = servers;
      this.renew();
    }
    return !this.isSpent(servers);
  }

  /** Where the server of this name or address is; null: the pool has none such. */
  addressOf(server: string): string | null {
    const found = this.all.find((member) => isNamed(member, server));
    return found === undefined ? null : formatAddress(found.server.address);
  }

  /** `; did you mean "cache1"?`, or nothing. */
  hintFor(server: string): string {
    return didYouMean(
      server,
      this.all.map((member) => member.server.name),
    );
  }

  /**
   * Why `server`, which the pool has, cannot be drained; null: it can.
   * @param drained all that are, `server` among them
   */
  problemOf(server: string, drained: ReadonlySet<string>): string | null {
    const { members, spares = [] } = this.inner;
    if (spares.some((member) => isNamed(member, server))) {
      return "it is a spare, which takes requests only while another server is down";
    }
    if (!members.some((member) => isNamed(member, server))) return null;
    if (this.slots !== undefined) {
      return "keys belong to the nodes of a cluster, and cannot go to others: fail over to a replica of it, and drain the node then";
    }
    if (this.inner instanceof PlannedTopology) {
      return "its keys would not go along: with migrate: true, take it out of servers: and reload, and they do";
    }
    return this.isSpent(drained) ? "it is the last server that takes requests" : null;
  }

  private get all(): Member[] {
    const { members, replicas = [], spares = [] } = this.inner;
    return [...members, ...replicas.flat(), ...spares];
  }

  /** Keys would have no server. */
  private isSpent(drained: ReadonlySet<string>): boolean {
    const { members } = this.inner;
    return members.length > 0 && members.every((member) => isDrained(member, drained));
  }

  private renew(): void {
    const { inner, drained } = this;
    // The slots of a cluster are those of its nodes, by their numbers; where keys move along, all must go by the same servers.
    const isFixed = inner.slots !== undefined || inner instanceof PlannedTopology;
    const keepsAll = drained.size === 0 || isFixed || this.isSpent(drained);
    const stays = inner.members.map((member) => keepsAll || !isDrained(member, drained));
    this.members = keepsAll ? inner.members : inner.members.filter((_, index) => stays[index]);
    this.replicas =
      drained.size === 0
        ? inner.replicas
        : inner.replicas
            ?.filter((_, index) => stays[index] !== false)
            .map((some) => some.filter((member) => !isDrained(member, drained)));
    this.epoch++;
    this.onChange();
  }
}

function isNamed({ server }: Member, name: string): boolean {
  return server.name === name || formatAddress(server.address) === name;
}

function isDrained({ server }: Member, drained: ReadonlySet<string>): boolean {
  return drained.has(server.name) || drained.has(formatAddress(server.address));
}
