import { closeFd } from "../../../os/fd.ts";
import { goOnBlocked } from "./blocking/moved-block.ts";
import type { SavedRedisClient } from "./client-state.ts";
import { adoptConnection } from "./own-connections.ts";
import { restoreSubscriptions } from "./pubsub/subscribe.ts";
import type { RedisClient } from "./redis-client.ts";
import { restoreTransaction } from "./transaction/transaction.ts";

/** Gives `client`, which is new here, what another process saved of it. `descriptors` are this function's. */
export function restoreClient(
  client: RedisClient,
  { connections, transaction, subscriptions }: SavedRedisClient,
  descriptors: readonly number[],
): void {
  if (client.state.maintenance !== "off") client.pool.maintenance.add(client);
  const { pin, block } = connections ?? {};
  const left = [...descriptors];
  if (pin !== undefined) client.setPin(adoptConnection(client, pin, left.shift()));
  if (block !== undefined) {
    const lease = block.isOnPin ? client.pin : adoptConnection(client, block, left.shift());
    goOnBlocked(client, lease, block);
  }
  for (const fd of left) closeFd(fd);
  if (transaction !== undefined) restoreTransaction(client, transaction);
  if (subscriptions !== undefined) restoreSubscriptions(client, subscriptions);
}
