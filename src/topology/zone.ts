/** Which servers are in the proxy's own zone. */
import type { Config } from "../api/config.ts";
import { type IpRange, isInRange, parseIpRange } from "../os/ip-range.ts";

/** What stands behind the host in an address, and the brackets of IPv6. */
const PORT = /:\d+$/;
const BRACKETS = /^\[|\]$/g;

/** Some addresses, networks and patterns of host names. */
export class Zone {
  readonly name: string;
  private readonly ranges: readonly IpRange[];
  private readonly patterns: readonly RegExp[];

  /** @param entries as in `zones` */
  constructor(name: string, entries: readonly string[]) {
    this.name = name;
    const ranges = entries.map(parseIpRange);
    this.ranges = ranges.filter((range) => range !== null);
    this.patterns = entries.filter((_, i) => ranges[i] === null).map(patternOf);
  }

  /** @param address of a server: `host:port`, `[ipv6]:port`, or `/path`, which is in no zone */
  has(address: string): boolean {
    const host = address.replace(PORT, "").replace(BRACKETS, "");
    return this.hasHost(host);
  }

  /** @param host a name, or an address without brackets */
  hasHost(host: string): boolean {
    return (
      this.ranges.some((range) => isInRange(range, host)) ||
      this.patterns.some((pattern) => pattern.test(host))
    );
  }
}

/**
 * Null: the proxy is in no zone.
 * @param addresses of this machine
 */
export function ownZone(
  { zones = {}, zone }: Pick<Config, "zones" | "zone">,
  addresses: readonly string[],
): Zone | null {
  const all = Object.entries(zones).map(([name, entries]) => new Zone(name, entries));
  if (zone !== undefined && zone !== "auto") return all.find(({ name }) => name === zone) ?? null;
  return all.find((each) => addresses.some((address) => each.hasHost(address))) ?? null;
}

/** Host names are the same in upper and lower case. */
function patternOf(entry: string): RegExp {
  const parts = entry.split("*").map((part) => part.replaceAll(".", "\\."));
  return new RegExp(`^${parts.join(".*")}$`, "i");
}
