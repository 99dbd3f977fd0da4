/** The options of a pool that finds out who its servers are: `discover` and those beside it. */
import { isIP } from "node:net";
import { resolve } from "node:path";
import type { Discovery } from "../api/discovery.ts";
import { parseServerAddress } from "./address.ts";
import { NAMES, parseDiscovery } from "./discovery-source.ts";
import type { MapNode } from "./document.ts";
import { quote } from "./problem.ts";
import type { Scope, Values } from "./scope.ts";

/** They mean something with `discover` only. */
const BESIDE = ["discover_interval", "discover_resolver", "discover_remove", "discover_keep"];

/** The pool of this map lists no servers: they are found. */
export function hasDiscovery(map: MapNode): boolean {
  return map.entries.some(({ key, value }) => {
    return key === "discover" && !(value.kind === "scalar" && value.text === NAMES);
  });
}

/** Reports what is wrong. Not to be asked for its value then. */
export function readDiscovery(scope: Scope, values: Values): Discovery {
  const text = values.peek("discover");
  const source = typeof text === "string" ? parseDiscovery(text) : null;
  const isOfNames = typeof source === "object" && source?.kind === NAMES;
  if (text != null && !isOfNames && values.node("servers") !== undefined) {
    const message =
      'discover stands in place of "servers": a pool has one of the two, but for "discover: names"';
    report(scope, values, "servers", message);
  }
  for (const name of BESIDE) {
    if (values.node(name) === undefined || text != null) continue;
    const message = `${name} has no effect without "discover"`;
    scope.problems.warn(values.offsetOf(name), `${scope.path}${name}`, scope.label + message);
  }
  checkResolvers(scope, values);
  const interval = values.peek("discover_interval");
  const resolvers = values.textsOrNull("discover_resolver") ?? [];
  const keep = values.peek("discover_keep");
  return {
    source: typeof source === "string" ? null : source,
    text: typeof text === "string" ? text : null,
    intervalMs: typeof interval === "number" ? interval : 0,
    resolvers: resolvers.length === 0 ? null : resolvers,
    removes: values.peek("discover_remove") === "unlisted" ? "unlisted" : "dead",
    keep: typeof keep === "string" ? resolve(keep) : null,
  };
}

function checkResolvers(scope: Scope, values: Values): void {
  for (const text of values.textsOrNull("discover_resolver") ?? []) {
    const address = parseServerAddress(text);
    if (typeof address === "object" && address.kind === "tcp" && isIP(address.host) !== 0) continue;
    const message = `discover_resolver: expected the IP address and port of a name server such as 127.0.0.1:8600, found ${quote(text)}`;
    report(scope, values, "discover_resolver", message);
  }
}

function report(
  { problems, label, path }: Scope,
  values: Values,
  name: string,
  text: string,
): void {
  problems.error(values.offsetOf(name), `${path}${name}`, `${label}${text}`);
}
