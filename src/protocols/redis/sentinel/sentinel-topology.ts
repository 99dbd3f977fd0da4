/**
 * The masters that sentinels watch, in the order of the configuration. Each keeps its place on the ring, and its keys, wherever it is.
 *
 * Until the sentinels have told where a master is, the member in its place has no address.
 */
import type { ServerConfig } from "../../../api/config.ts";
import { type Member, replicaAt, type Topology } from "../../../api/topology.ts";
import { formatAddress } from "../../../config/address.ts";
import { addressOf } from "../cluster/slot-view.ts";
import type { SentinelView } from "./sentinel-view.ts";

export interface MasterMove {
  readonly name: string;
  readonly address: string;
  /** Null: it was not known where it was. */
  readonly before: string | null;
}

export class SentinelTopology implements Topology {
  members: readonly Member[];
  replicas: readonly (readonly Member[])[] = [];
  epoch = 0;
  /** Sentinels have been asked, or could not be. */
  isKnown = false;
  view: SentinelView = [];
  /** Told before anything goes to the master's new address; members by their ids. */
  onMoved: (from: string, to: string) => void = () => {};
  /** Told when `isKnown` becomes true. */
  onKnown: () => void = () => {};
  private readonly masters: readonly ServerConfig[];
  private onChange: () => void = () => {};

  /** @param masters their addresses have the masters' names as hosts */
  constructor(masters: readonly ServerConfig[]) {
    this.masters = masters;
    this.members = masters.map((server) => this.memberAt(server, null));
  }

  /** As the sentinels know them. */
  get names(): readonly string[] {
    return this.masters.map(nameOf);
  }

  watch(onChange: () => void): void {
    this.onChange = onChange;
  }

  close(): void {}

  /** Slots are for clusters. */
  patch(): void {}
  admit(): void {}
  /** A master keeps its name. */
  inPlaceOf(name: string): string {
    return name;
  }

  onAsked(): void {
    if (this.isKnown) return;
    this.isKnown = true;
    this.onKnown();
  }

  /** `view` is how things are; of a master that is not in it nothing new is known. @returns what has changed */
  apply(view: SentinelView): readonly MasterMove[] {
    const before = this.view;
    const at = (places: SentinelView, name: string) => places.find((place) => place.name === name);
    this.view = this.names.flatMap((name) => at(view, name) ?? at(before, name) ?? []);
    const moves = this.names.flatMap((name): MasterMove[] => {
      const address = at(this.view, name)?.address ?? null;
      const old = at(before, name)?.address ?? null;
      return address === null || address === old ? [] : [{ name, address, before: old }];
    });
    const replicas = this.names.map((name) => at(this.view, name)?.replicas ?? []);
    const shown = this.replicas.map((some) => some.map(({ server }) => server.name));
    if (moves.length === 0 && JSON.stringify(replicas) === JSON.stringify(shown)) return moves;
    this.replicas = replicas.map((some) => some.map((name) => replicaAt(addressOf(name), name)));
    const { members } = this;
    this.members = this.masters.map((server) => {
      return this.memberAt(server, at(this.view, nameOf(server))?.address ?? null);
    });
    this.epoch++;
    this.onChange();
    for (const [index, { id }] of this.members.entries()) {
      const old = members[index]!.id;
      if (old !== id) this.onMoved(old, id);
    }
    return moves;
  }

  /** A master at another address is another server. */
  private memberAt(server: ServerConfig, place: string | null): Member {
    const address = place === null ? server.address : addressOf(place);
    return { id: `${server.name} ${formatAddress(address)}`, server: { ...server, address } };
  }
}

function nameOf({ address, name }: ServerConfig): string {
  return address.kind === "tcp" ? address.host : name;
}
