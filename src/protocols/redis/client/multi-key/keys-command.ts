/** Commands with several keys that cannot be split: all keys must be on one server. */
import type { Route, Upstream } from "../../../../api/upstream.ts";
import { encodeError } from "../../codec/encode.ts";
import type { RequestView } from "../../codec/request-view.ts";
import type { Command } from "../../commands/command.ts";
import { findKeys } from "../../commands/find-keys.ts";
import type { RedisClient } from "../redis-client.ts";
import { NO_SERVER } from "../refusals.ts";

const keys: number[] = [];

/** The one server that has all keys of the request at hand; null: there is none, and the client was told. */
export function serverOfKeys(
  client: RedisClient,
  command: Command,
  view: RequestView,
): Upstream | null {
  const { route, hashTag } = client.pool;
  const fault = refusedOption(command, view, route.upstreams.length);
  if (fault !== null) {
    client.refuse(encodeError(`ERR ${fault}`));
    return null;
  }
  const picked = pickForKeys(command, view, route);
  if (picked === "none") client.refuse(NO_SERVER);
  else if (picked === "cross_server")
    client.refuse(encodeError(crossServerFault(command, hashTag)));
  else if (picked === "no_keys") {
    const text = `ERR '${command.name}' names no key, so no server can be chosen for it`;
    client.refuse(encodeError(text));
  } else return picked;
  return null;
}

/** The server that holds all keys; "none": it is ejected; "no_keys": nothing to choose by. */
function pickForKeys(
  command: Command,
  view: RequestView,
  route: Route,
): Upstream | "none" | "no_keys" | "cross_server" {
  const count = findKeys(command, view, keys);
  if (count === 0 && command.flags.includes("no_mandatory_keys")) return "no_keys";
  // Redis refuses these, whichever server it is: let one of them say it in its own words.
  if (count <= 0) return route.upstreams.find((upstream) => !upstream.isEjected) ?? "none";
  return pickFor(keys, view, route);
}

/** The one server of the keys that are the arguments numbered `keys` (at least one). */
export function pickFor(
  keys: readonly number[],
  view: RequestView,
  route: Route,
): Upstream | "none" | "cross_server" {
  let picked: Upstream | null = null;
  for (const key of keys) {
    const upstream = route.pick(view.key(key));
    if (upstream === null) return "none";
    if (picked !== null && upstream !== picked) return "cross_server";
    picked = upstream;
  }
  return picked ?? "none";
}

/** What is wrong with an option of this request behind a shared, sharding proxy, or null. */
export function refusedOption(command: Command, view: RequestView, servers: number): string | null {
  if (command.name.startsWith("SORT") && servers > 1 && hasPattern(view)) {
    return `'${command.name}' with BY or GET patterns reads keys of other servers, which a sharded pool cannot do`;
  }
  return null;
}

/** SORT key [BY pattern] [GET pattern …]: "#" and patterns without "*" read no other key. */
function hasPattern(view: RequestView): boolean {
  for (let i = 2; i + 1 < view.count; i++) {
    const option = view.text(i).toUpperCase();
    if ((option === "BY" || option === "GET") && view.text(i + 1).includes("*")) return true;
  }
  return false;
}

/** Redis Cluster's code for the same thing, so that clients know it, and what would work. */
export function crossServerFault(command: Command, hashTag: string | null): string {
  const hint =
    hashTag === null
      ? "the pool has no hash_tag that could keep keys together"
      : `give them a common hash tag such as ${hashTag[0]}name${hashTag[1]}`;
  return `CROSSSLOT Keys of '${command.name}' are on different servers; ${hint}`;
}
