/** `zones` and `zone`: where servers are, by name, and where the proxy is. */
import type { Config } from "../api/config.ts";
import { parseIpRange } from "../os/ip-range.ts";
import { describe, type Node } from "./document.ts";
import { didYouMean } from "./nearest.ts";
import { quote } from "./problem.ts";
import { entriesOnce, expectMap, type Scope, type Values } from "./scope.ts";
import { expectation } from "./values.ts";

/** `zone` when the machine's own addresses tell. */
export const ZONE_AUTO = "auto";

/** Letters of host names, and `*`. What is made of digits and dots alone is an address, or a mistake. */
const HOST_PATTERN = /^(?![\d.]+$)[\w*.-]+$/;

/** @returns what is right of `zones`; also finds fault with `zone` */
export function readZones(scope: Scope, top: Values): Required<Config>["zones"] {
  const node = top.node("zones");
  const zones = node === undefined || node.kind === "empty" ? {} : readAll(scope, node);
  const zone = top.peek("zone");
  if (typeof zone === "string" && zone !== ZONE_AUTO && !Object.hasOwn(zones, zone)) {
    scope.problems.error(top.offsetOf("zone"), "zone", `zone: ${unknownZone(zone, zones)}`);
  }
  return zones;
}

/** Says that `zone` is none of `zones`. */
export function unknownZone(zone: string, zones: Required<Config>["zones"]): string {
  const names = Object.keys(zones);
  if (names.length === 0) return `${quote(zone)} is none of "zones", which the file has not`;
  const hint = didYouMean(zone, names) || `; they are ${names.join(", ")}`;
  return `${quote(zone)} is none of "zones"${hint}`;
}

function readAll(scope: Scope, node: Node): Required<Config>["zones"] {
  const map = expectMap(scope, "zones", node, expectation({ kind: "zones" }));
  const zones: Record<string, readonly string[]> = {};
  if (map === null) return zones;
  const zoneByEntry = new Map<string, string>();
  for (const { key, keyOffset, value } of entriesOnce({ ...scope, path: "zones." }, map).values()) {
    const path = `zones.${key}`;
    if (key === ZONE_AUTO || !/^[\w.-]+$/.test(key)) {
      const message = `zones: a zone cannot have the name ${quote(key)}; letters, digits, "-", "." and "_" make one, and auto is none`;
      scope.problems.error(keyOffset, path, message);
    }
    zones[key] = readOne(scope, path, value).filter((entry) => {
      const other = zoneByEntry.get(entry);
      zoneByEntry.set(entry, key);
      if (other === undefined) return true;
      const message = `${path}: ${quote(entry)} stands ${other === key ? "here twice" : `in ${quote(other)}, too; a server is in one zone`}`;
      scope.problems.error(value.offset, path, message);
      return false;
    });
  }
  return zones;
}

function readOne({ problems }: Scope, path: string, node: Node): string[] {
  if (node.kind !== "list" || node.items.length === 0) {
    const found = node.kind === "list" ? "an empty list" : describe(node);
    const message = `${path}: expected a list of addresses, networks and host names such as [10.0.1.0/24], found ${found}`;
    problems.error(node.offset, path, message);
    return [];
  }
  return node.items.flatMap((item, index) => {
    const text = item.kind === "scalar" ? item.text : "";
    if (parseIpRange(text) !== null || HOST_PATTERN.test(text)) return [text];
    const found = item.kind === "scalar" ? quote(text) : describe(item);
    const message = `${path}: expected an address, a network such as 10.0.1.0/24 or a host name such as *.b.internal, without a port, found ${found}`;
    problems.error(item.offset, `${path}[${index}]`, message);
    return [];
  });
}
