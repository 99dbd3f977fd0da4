/** What a node says of its cluster, as CLUSTER SLOTS tells it: which primary has which slots. */
import type { Address } from "../../../api/config.ts";
import { SLOTS } from "../../../api/topology.ts";
import type { Decoded } from "../codec/decode.ts";

/** Addresses are texts as a configuration has them: "10.0.0.1:7000". Plain JSON data. */
export interface SlotView {
  /** Ascending and apart; those between them have no owner. */
  readonly ranges: readonly (readonly [first: number, last: number, owner: string])[];
  /** Every node that was named, replicas too. */
  readonly nodes: readonly string[];
  /** Of each owner that has some, its replicas. Absent: an older program says this. */
  readonly replicas?: readonly (readonly [owner: string, names: readonly string[]])[];
}

/** So many nodes of a cluster are remembered, to be asked when no primary answers. */
const NODES_MAX = 64;

/** @param asked where the node is that said so: it may not know its own address. @returns null: that is no such reply */
export function readSlotView(reply: Decoded, asked: string): SlotView | null {
  if (!Array.isArray(reply)) return null;
  const entries = (reply as readonly Decoded[]).map((entry) => readEntry(entry, asked));
  const found = entries.filter((entry) => entry !== null);
  if (found.length < entries.length) return null;
  found.sort((a, b) => a.first - b.first);
  const ranges: [number, number, string][] = [];
  for (const { first, last, names } of found) {
    const owner = names[0]!;
    const before = ranges.at(-1);
    if (before !== undefined && first <= before[1]) return null;
    if (before !== undefined && before[1] + 1 === first && before[2] === owner) before[1] = last;
    else ranges.push([first, last, owner]);
  }
  const nodes = new Set(found.flatMap(({ names }) => names));
  const replicas = new Map<string, readonly string[]>();
  for (const { names } of found) {
    const [owner = "", ...others] = names;
    if (others.length > 0) replicas.set(owner, others.toSorted());
  }
  return {
    ranges,
    nodes: [...nodes].filter((_, i) => i < NODES_MAX).sort(),
    replicas: [...replicas].sort(([a], [b]) => (a < b ? -1 : 1)),
  };
}

interface Entry {
  readonly first: number;
  readonly last: number;
  /** The primary, then its replicas. */
  readonly names: readonly string[];
}

/** Null: it makes no sense. */
function readEntry(entry: Decoded, asked: string): Entry | null {
  if (!Array.isArray(entry)) return null;
  const [first, last, ...places] = entry as readonly Decoded[];
  const names = places.map((place) => nameOf(place, asked));
  if (!isSlot(first) || !isSlot(last) || first > last || names.length === 0) return null;
  const known = names.filter((name) => name !== null);
  return known.length < names.length ? null : { first, last, names: known };
}

function isSlot(value: Decoded | undefined): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value < SLOTS;
}

/** [host, port, …]; without a host it is the one that was asked. */
function nameOf(place: Decoded, asked: string): string | null {
  if (!Array.isArray(place)) return null;
  const [host, port] = place as readonly Decoded[];
  if (typeof port !== "number" || port < 1 || port > 65_535) return null;
  const text = Buffer.isBuffer(host) ? host.toString("latin1") : "";
  return placeName(text, port, asked);
}

/** @param host as a node gives it; empty or "?": that of `asked` */
export function placeName(host: string, port: number, asked: string): string {
  const known = host === "" || host === "?" ? asked.substring(0, asked.lastIndexOf(":")) : host;
  const bare = known.replace(/^\[|\]$/g, "");
  return bare.includes(":") ? `[${bare}]:${port}` : `${bare}:${port}`;
}

export function addressOf(name: string): Address {
  const colon = name.lastIndexOf(":");
  const host = name.substring(0, colon).replace(/^\[|\]$/g, "");
  return { kind: "tcp", host, port: Number(name.substring(colon + 1)) };
}

/** The same for views that say the same. */
export function keyOfView({ ranges }: SlotView): string {
  return JSON.stringify(ranges);
}

export function coverageOf({ ranges }: SlotView): number {
  return ranges.reduce((sum, [first, last]) => sum + last - first + 1, 0);
}
