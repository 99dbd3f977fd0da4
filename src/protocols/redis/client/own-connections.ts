/**
 * What a client has of its own on servers (its pin, a blocking command) on its way to another process.
 *
 * The connections' descriptors travel with the session: the pin's first. What servers send meanwhile waits in the kernel.
 */
import type { Lease } from "../../../api/upstream.ts";
import { closeFd } from "../../../os/fd.ts";
import type { SavedConnections } from "./client-state.ts";
import { placeOf, type SavedPlace, serverAt } from "./place.ts";
import type { RedisClient } from "./redis-client.ts";

/** In the order of their descriptors. */
export function ownConnections({ pin, features }: RedisClient): Lease[] {
  const own = pin === null ? [] : [pin];
  const { block } = features;
  if (block !== null && !block.isOnPin) own.push(block.lease);
  return own;
}

/** Undefined: it has none. */
export function saveConnections({ pin, features }: RedisClient): SavedConnections | undefined {
  const { block } = features;
  if (pin === null && block === null) return undefined;
  return {
    ...(pin === null ? {} : { pin: placeOf(pin.upstream) }),
    ...(block === null ? {} : { block: block.save() }),
  };
}

/** What `client` goes on with at `place`. Null: the server is no longer one of the pool's, or the connection is gone. */
export function adoptConnection(
  client: RedisClient,
  place: SavedPlace,
  fd: number | undefined,
): Lease | null {
  if (fd === undefined) return null;
  const upstream = serverAt(client.pool.route, place);
  if (upstream === undefined) {
    closeFd(fd);
    return null;
  }
  const lease = upstream.adopt(fd, client.variant, client.session.origin);
  return lease.refusal === null ? lease : null;
}

/** The client is gone: its connections are closed, and with them what blocks or is half done there. */
export function dropConnections(client: RedisClient): void {
  const { leases } = client.features;
  if (leases !== null) for (const lease of leases) lease.release(false);
  client.pin?.release(false);
  client.setPin(null);
}
