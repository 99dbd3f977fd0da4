/**
 * SCAN over all servers, one after the other.
 *
 * The client's cursor is the server's own cursor × servers + the server's number. So 0 begins with the first server and
 * nothing but the end of the last gives 0, and what Redis promises holds: what is there from start to end is seen.
 *
 * While keys move to other servers, those that keys leave come first, and then those that they go to: a key that has moved before it was
 * seen on the first is seen on the second. Such a cursor has a tag, so that it cannot be mistaken for one of another time.
 */

import { encodeError } from "../../codec/encode.ts";
import { elementsOf } from "../../codec/merge-replies.ts";
import type { RequestView } from "../../codec/request-view.ts";
import type { Command } from "../../commands/command.ts";
import { SCAN_TAGS } from "../../migrate/key-gate.ts";
import { forwardToAny } from "../any-server.ts";
import { askOne } from "../ask.ts";
import type { RedisClient } from "../redis-client.ts";
import { MISMATCH } from "../refusals.ts";

const CURSOR_MAX = 2n ** 64n - 1n;
const CURSOR_DIGITS_MAX = `${CURSOR_MAX}`.length;
const INVALID_CURSOR: Buffer = encodeError("ERR invalid cursor");
const OTHER_TIME: Buffer = encodeError(
  "ERR keys of this pool have begun, or ceased, to move to other servers since this SCAN began; begin it anew with cursor 0",
);

export function handleScan(client: RedisClient, command: Command, view: RequestView): boolean {
  const { route } = client.pool;
  if (route.upstreams.length === 1) return forwardToAny(client, command, view);
  const { gate } = client.pool;
  const order = gate?.scanOrder ?? null;
  const upstreams = order ?? route.targets(command.access);
  const servers = BigInt(upstreams.length);
  const cursor = parseCursor(view.text(1));
  if (cursor === null) {
    client.refuse(INVALID_CURSOR);
    return true;
  }
  const tags = gate === null ? 1n : SCAN_TAGS;
  const tag = cursor === 0n ? (gate?.scanTag ?? 0n) : (cursor / servers) % tags;
  if (gate !== null && tag !== gate.scanTag) {
    client.refuse(OTHER_TIME);
    return true;
  }
  const index = cursor % servers;
  const request = withCursor(view, cursor / (servers * tags));
  return askOne(client, upstreams[Number(index)]!, request, (reply) => {
    const [bulk, keys, ...rest] = elementsOf(reply) ?? [];
    const found = /^\$\d+\r\n(\d+)\r\n$/.exec(bulk?.toString("latin1") ?? "");
    if (found === null || keys === undefined || rest.length > 0) return MISMATCH;
    const next = cursorAfter(BigInt(found[1]!), index, { servers, tags, tag });
    if (next > CURSOR_MAX) return encodeError("ERR the server's cursor leaves no room for more");
    return Buffer.concat([Buffer.from(`*2\r\n$${`${next}`.length}\r\n${next}\r\n`), keys]);
  });
}

interface CursorForm {
  readonly servers: bigint;
  readonly tags: bigint;
  readonly tag: bigint;
}

/** @param own the cursor that server number `index` gave; 0: its last */
function cursorAfter(own: bigint, index: bigint, { servers, tags, tag }: CursorForm): bigint {
  if (own > 0n) return (own * tags + tag) * servers + index;
  return index + 1n < servers ? tag * servers + index + 1n : 0n;
}

/** What Redis makes of a cursor: strtoul's idea of a number, without blanks before it. */
function parseCursor(text: string): bigint | null {
  const [, sign, digits] = /^([+-]?)(\d*)(?:\0|$)/.exec(text) ?? [];
  if (digits === undefined || (sign !== "" && digits === "")) return null;
  const significant = digits.replace(/^0+/, "");
  // To make a number of very many digits takes very long.
  if (significant.length > CURSOR_DIGITS_MAX) return null;
  const value = BigInt(significant);
  if (value > CURSOR_MAX) return null;
  return sign === "-" ? BigInt.asUintN(64, -value) : value;
}

/** The request at hand with another cursor. */
function withCursor(view: RequestView, cursor: bigint): Buffer {
  const head = `*${view.count}\r\n$4\r\nSCAN\r\n$${`${cursor}`.length}\r\n${cursor}\r\n`;
  return Buffer.concat([Buffer.from(head), view.bytes.subarray(view.to(1) + 2, view.end)]);
}
