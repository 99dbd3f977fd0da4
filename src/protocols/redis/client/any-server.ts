/** Commands that name no key and that every server answers alike. */
import { plainLane } from "../../../api/lane.ts";
import type { Upstream } from "../../../api/upstream.ts";
import type { RequestView } from "../codec/request-view.ts";
import type { Command } from "../commands/command.ts";
import type { RedisClient } from "./redis-client.ts";
import { NO_SERVER } from "./refusals.ts";

export function forwardToAny(client: RedisClient, _command: Command, view: RequestView): boolean {
  const upstream = anyServer(client);
  if (upstream === null) {
    client.refuse(NO_SERVER);
    return true;
  }
  return client.forwardTo(client.connectionTo(upstream), view);
}

/** All that are not ejected, in the order in which this client should try them. */
export function serversFor({ pool, session }: RedisClient): Upstream[] {
  const { upstreams } = pool.route;
  const first = plainLane(session.lane) % upstreams.length;
  const ordered = upstreams.map((_, i) => upstreams[(first + i) % upstreams.length]!);
  return ordered.filter((upstream) => !upstream.isEjected);
}

/** The same, `first` before all others. */
export function serversFrom(client: RedisClient, first: Upstream): Upstream[] {
  return [first, ...serversFor(client).filter((server) => server !== first)];
}

/** A server that takes requests now, the same one for one client as long as it does; see `firstFrom`. */
export function anyServer(client: RedisClient): Upstream | null {
  return firstFrom(client, plainLane(client.session.lane));
}

/** The same one for all clients. */
export function firstServer(client: RedisClient): Upstream | null {
  return firstFrom(client, 0);
}

/**
 * The first server from number `start` on that takes requests now. If there is none, one that is up, or else one that is not ejected;
 * else null.
 */
function firstFrom(client: RedisClient, start: number): Upstream | null {
  const { upstreams } = client.pool.route;
  let spare: Upstream | null = null;
  let busy: Upstream | null = null;
  for (let i = 0; i < upstreams.length; i++) {
    const upstream = upstreams[(start + i) % upstreams.length]!;
    if (upstream.isEjected) continue;
    const link = client.connectionTo(upstream);
    if (link.refusal !== null) spare ??= upstream;
    else if (link.isFull) busy ??= upstream;
    else return upstream;
  }
  return busy ?? spare;
}
