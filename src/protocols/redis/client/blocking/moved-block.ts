/** A blocking command that another process sent, and whose reply comes here. */
import type { Lease } from "../../../../api/upstream.ts";
import { encodeError } from "../../codec/encode.ts";
import type { RedisClient } from "../redis-client.ts";
import { Block } from "./block.ts";
import type { SavedBlock } from "./client-block.ts";
import { ServerId } from "./server-id.ts";

/** @param lease the connection that it was sent over; null: it is lost */
export function goOnBlocked(client: RedisClient, lease: Lease | null, saved: SavedBlock): void {
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

function lostText(server: string): string {
  return `ERR Connection reset by peer (server ${server} was taken out of the pool; the command may or may not have been executed)`;
}
