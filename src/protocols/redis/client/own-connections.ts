/**
 * What a client has of its own on servers (its pin, a blocking command) on its way to another process.
 *
 * The connections' descriptors travel with the session: the pin's first. What servers send meanwhile waits in the kernel.
 */
import type { Lease } from "../../../api/upstream.ts";
import { closeFd } from "../../../os/fd.ts";
import { encodeError } from "../codec/encode.ts";
import { Block } from "./blocking/block.ts";
import { ServerId } from "./blocking/server-id.ts";
import { placeOf, type SavedPlace, serverAt } from "./place.ts";
import type { RedisFrontend } from "./redis-frontend.ts";

/** Plain JSON data. */
export interface SavedBlock extends SavedPlace {
  readonly isOnPin: boolean;
  readonly keys: readonly string[];
  /** See `Block.idOnServer`. */
  readonly id: number;
}

/** Plain JSON data. */
export interface SavedConnections {
  readonly pin?: SavedPlace;
  readonly block?: SavedBlock;
}

/** In the order of their descriptors. */
export function ownConnections({ pin, block }: RedisFrontend): Lease[] {
  const own = pin === null ? [] : [pin];
  if (block !== null && !block.isOnPin) own.push(block.lease);
  return own;
}

/** Undefined: it has none. */
export function saveConnections({ pin, block }: RedisFrontend): SavedConnections | undefined {
  if (pin === null && block === null) return undefined;
  return {
    ...(pin === null ? {} : { pin: placeOf(pin.upstream) }),
    ...(block === null ? {} : { block: saveBlock(block) }),
  };
}

function saveBlock({ lease, isOnPin, keys, idOnServer }: Block): SavedBlock {
  return { ...placeOf(lease.upstream), isOnPin, keys, id: idOnServer ?? 0 };
}

/** Gives `client`, which is new here, what another process saved of it. `descriptors` are this function's. */
export function adoptConnections(
  client: RedisFrontend,
  saved: SavedConnections | undefined,
  descriptors: readonly number[],
): void {
  const { pin, block } = saved ?? {};
  const left = [...descriptors];
  if (pin !== undefined) client.pin = adopt(client, pin, left.shift());
  if (block !== undefined) {
    const lease = block.isOnPin ? client.pin : adopt(client, block, left.shift());
    goOnBlocked(client, lease, block);
  }
  for (const fd of left) closeFd(fd);
}

/** @param lease null: it is lost */
function goOnBlocked(client: RedisFrontend, lease: Lease | null, saved: SavedBlock): void {
  if (lease === null) {
    const { session } = client;
    session.reply(session.open(), encodeError(lostText(saved.server)));
    return;
  }
  ServerId.remember(lease, saved.id);
  const block = new Block(client, lease, saved.isOnPin, saved.keys);
  block.expect();
  block.endIfElsewhere();
}

/** Null: the server is no longer one of the pool's, or the connection is gone. */
function adopt(client: RedisFrontend, place: SavedPlace, fd: number | undefined): Lease | null {
  if (fd === undefined) return null;
  const upstream = serverAt(client.pool.route, place);
  if (upstream === undefined) {
    closeFd(fd);
    return null;
  }
  const lease = upstream.adopt(fd, client.variant, client.session.origin);
  return lease.refusal === null ? lease : null;
}

function lostText(server: string): string {
  return `ERR Connection reset by peer (server ${server} was taken out of the pool; the command may or may not have been executed)`;
}
