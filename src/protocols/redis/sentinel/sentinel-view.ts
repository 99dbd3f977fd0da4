/** Where masters are, as sentinels tell it. */

import { placeName } from "../cluster/slot-view.ts";
import { type Decoded, ReplyError } from "../codec/decode.ts";

/** Plain JSON data. */
export interface MasterPlace {
  /** The master's name. */
  readonly name: string;
  /** "10.0.0.1:6379" */
  readonly address: string;
  /** Grows with each failover, which a majority of the sentinels must have agreed to. */
  readonly epoch: number;
  /** Addresses of its replicas that the sentinel reaches. Absent: it was not asked, or by an older program. */
  readonly replicas?: readonly string[];
}

/** What one sentinel, or most of them, say of the masters that they know. */
export type SentinelView = readonly MasterPlace[];

/**
 * What a sentinel says of one master.
 * @param place its reply to SENTINEL GET-MASTER-ADDR-BY-NAME @param facts that to SENTINEL MASTER
 * @returns null: it does not know the master
 */
export function readMaster(name: string, place: Decoded, facts: Decoded): MasterPlace | null {
  if (!Array.isArray(place) || !Array.isArray(facts)) return null;
  const [host, port] = (place as readonly Decoded[]).map(textOf);
  const epoch = Number(fieldsOf(facts).get("config-epoch") ?? Number.NaN);
  if (!isPlace(host, Number(port)) || !Number.isSafeInteger(epoch)) return null;
  return { name, address: placeName(host!, Number(port), ""), epoch };
}

/** @param reply to SENTINEL REPLICAS */
export function readReplicas(reply: Decoded): readonly string[] {
  if (!Array.isArray(reply)) return [];
  const found = (reply as readonly Decoded[]).flatMap((entry) => {
    const fields = fieldsOf(entry);
    const [host, port] = [fields.get("ip"), Number(fields.get("port"))];
    const isLost = /s_down|o_down|disconnected/.test(fields.get("flags") ?? "");
    return isPlace(host, port) && !isLost ? [placeName(host!, port, "")] : [];
  });
  return found.sort();
}

function isPlace(host: string | undefined, port: number): boolean {
  return host !== undefined && host !== "" && Number.isInteger(port) && port >= 1 && port <= 65_535;
}

/** Names and values, one after the other. */
export function fieldsOf(reply: Decoded): ReadonlyMap<string, string> {
  const texts = Array.isArray(reply) ? (reply as readonly Decoded[]).map(textOf) : [];
  const pairs = new Map<string, string>();
  for (let i = 0; i + 1 < texts.length; i += 2) pairs.set(texts[i]!, texts[i + 1]!);
  return pairs;
}

export function textOf(value: Decoded): string {
  return Buffer.isBuffer(value) ? value.toString("latin1") : "";
}

/** Why the sentinel does not answer at all, such as that it wants a password; null: it does. An old one does not know REPLICAS. */
export function faultIn(reply: Decoded): string | null {
  if (!(reply instanceof ReplyError)) return null;
  return /No such master|unknown subcommand/i.test(reply.text) ? null : reply.text;
}

/**
 * What is to be believed, of what several sentinels say: of each master the newest configuration, because there is one only if most
 * sentinels agreed to it. One that is older than what was believed so far counts if most sentinels say so: they were set up anew.
 * @param sentinels how many there are, whether they have answered or not
 */
export function agree(
  names: readonly string[],
  views: readonly SentinelView[],
  known: SentinelView,
  sentinels: number,
): SentinelView {
  return names.flatMap((name) => {
    const told = views.flatMap((view) => view.filter((place) => place.name === name));
    const before = known.find((place) => place.name === name);
    const votes = (place: MasterPlace): number =>
      told.filter(({ address, epoch }) => address === place.address && epoch === place.epoch)
        .length;
    const [best] = told.toSorted((a, b) => b.epoch - a.epoch || votes(b) - votes(a));
    if (best === undefined) return before ?? [];
    const isOlder = before !== undefined && best.epoch < before.epoch;
    return isOlder && 2 * votes(best) <= sentinels ? before : best;
  });
}
