/**
 * Commands that may hold up their connection until something happens: each goes over a connection that its client has for
 * itself meanwhile, so no other client waits behind it, and closing that connection ends the wait.
 */
import { ACCESS } from "../../../../api/request-facts.ts";
import type { Upstream } from "../../../../api/upstream.ts";
import { encodeError } from "../../codec/encode.ts";
import type { RequestView } from "../../codec/request-view.ts";
import type { Command } from "../../commands/command.ts";
import { findKeys } from "../../commands/find-keys.ts";
import { awaitsRecovery } from "../awaits-recovery.ts";
import { serverOfKeys } from "../multi-key/keys-command.ts";
import type { RedisClient } from "../redis-client.ts";
import { Block } from "./block.ts";

export function handleBlocking(client: RedisClient, command: Command, view: RequestView): boolean {
  if (!mayBlock(command, view)) return client.forwardKeys(view, command);
  // Whatever it does with what comes, it waits where that is written.
  view.access = ACCESS.write;
  view.commandName = "";
  const upstream = serverOfKeys(client, command, view);
  if (upstream === null) return true;
  if (!client.settleFirst()) return false;
  const { session } = client;
  // Known before anything is tried: many that block on a dead server need not each find out.
  const link = client.connectionTo(upstream);
  if (awaitsRecovery(client, link)) return false;
  const { refusal } = link;
  if (refusal !== null) {
    session.onFailure(session.open(), 1, refusal);
    return true;
  }
  // What waits there for the server is older.
  if (link.isFull) {
    session.waitFor(link);
    return false;
  }
  const block = begin(client, upstream, keysOf(command, view));
  if (block === null) {
    const reason = upstream.whyNoLease(session.origin);
    client.refuse(
      encodeError(`ERR '${command.name}' cannot have a connection of its own: ${reason}`),
    );
    return true;
  }
  block.send(view.bytes, view.start, view.end);
  return true;
}

/** Null: no more connections are lent. */
function begin(client: RedisClient, upstream: Upstream, keys: readonly string[]): Block | null {
  const { pin } = client;
  if (pin !== null && pin.upstream === upstream) return new Block(client, pin, true, keys);
  const lease = upstream.lease(client.variant, client.session.origin);
  return lease === null ? null : new Block(client, lease, false, keys);
}

const positions: number[] = [];

/** One character per byte. */
function keysOf(command: Command, view: RequestView): string[] {
  return findKeys(command, view, positions) < 0 ? [] : positions.map((i) => view.text(i));
}

/** XREAD and XREADGROUP do so only when they are told. */
function mayBlock({ name }: Command, view: RequestView): boolean {
  return (name !== "XREAD" && name !== "XREADGROUP") || hasBlock(view);
}

/** Options of XREAD and XREADGROUP, by the arguments that each takes (t_stream.c, xreadCommand). */
const XREAD_OPTIONS: Readonly<Record<string, number>> = { COUNT: 1, GROUP: 2, NOACK: 0 };

/** [GROUP group consumer] [COUNT n] [BLOCK ms] [NOACK] STREAMS …, the options in any order. */
function hasBlock(view: RequestView): boolean {
  for (let i = 1; i < view.count; i++) {
    const option = view.text(i).toUpperCase();
    if (option === "BLOCK") return true;
    const taken = XREAD_OPTIONS[option];
    // The streams, or what Redis will refuse.
    if (taken === undefined) return false;
    i += taken;
  }
  return false;
}
