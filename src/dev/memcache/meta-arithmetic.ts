/** ma: adds to a number, or takes off. */

import { parseInt32, parseUint64 } from "../../protocols/memcache/codec/text/number.ts";
import type { Item } from "./item.ts";
import { asBadFlag, echoes, itemFlags, type MetaRequest, readMeta } from "./meta-request.ts";
import { addDelta, type Delta } from "./operations.ts";
import { BAD_ARITHMETIC_MODE, INVALID_OR_DUPLICATE, NOT_A_NUMBER } from "./replies.ts";
import { count, countLookup, type Shard } from "./shard.ts";
import type { TextCall } from "./text-command.ts";

const INCREASE = new Set(["I", "+"]);
const DECREASE = new Set(["D", "-"]);

interface Order {
  readonly delta: Delta;
  readonly initial: bigint;
  /** Seconds; null: a missing item stays missing. */
  readonly vivify: number | null;
  readonly touch: number | null;
}

export function metaArithmetic({ words, shard }: TextCall): string {
  const request = readMeta(words, 2);
  if (typeof request === "string") return asBadFlag(request);
  const order = readOrder(request);
  if (typeof order === "string") return order;
  count(shard, "cmd_meta");
  const verb = order.delta.isUp ? "incr" : "decr";
  const found = shard.store.peek(request.key);
  countLookup(shard, verb, found !== null);
  if (found === null) {
    if (order.vivify === null) return `NF${echoes(request)}\r\n`;
    return reply(shard, request, vivify(shard, request, order), String(order.initial));
  }
  const result = addDelta(shard.store, found, order.delta);
  if (result === "exists") return `EX${echoes(request)}\r\n`;
  if (result === "not_numeric") return NOT_A_NUMBER;
  const item = shard.store.peek(request.key) ?? found;
  const touch = (): void => {
    item.expiresAt = shard.store.expiryOf(order.touch ?? 0);
  };
  const told = reply(shard, request, item, String(result), touch);
  return request.has("q") ? "" : told;
}

function readOrder(request: MetaRequest): Order | string {
  const number = (name: string, missing: bigint): bigint | null => {
    const token = request.token(name);
    return token === null ? missing : parseUint64(token);
  };
  const seconds = (name: string): number | null | undefined => {
    const token = request.token(name);
    return token === null ? null : (parseInt32(token) ?? undefined);
  };
  const [amount, initial, cas] = [number("D", 1n), number("J", 0n), number("C", 0n)];
  const [vivifySeconds, touch] = [seconds("N"), seconds("T")];
  const isBad = amount === null || initial === null || cas === null;
  if (isBad || vivifySeconds === undefined || touch === undefined) return INVALID_OR_DUPLICATE;
  const mode = request.token("M") ?? "I";
  if (!INCREASE.has(mode) && !DECREASE.has(mode)) return BAD_ARITHMETIC_MODE;
  return {
    delta: { amount, isUp: INCREASE.has(mode), cas: request.has("C") ? cas : null },
    initial,
    vivify: vivifySeconds,
    touch,
  };
}

function vivify(shard: Shard, request: MetaRequest, order: Order): Item {
  const expiresAt = shard.store.expiryOf(order.vivify ?? 0);
  const item = shard.store.put(request.key, String(order.initial), 0, expiresAt);
  item.isKeyBinary = request.isKeyBinary;
  return item;
}

/** `touch` is called in the turn of the T flag, if there is one. */
function reply(
  shard: Shard,
  request: MetaRequest,
  item: Item,
  number: string,
  touch: () => void = () => {},
): string {
  const asked = { ...request, flags: request.flags.filter(({ name }) => "ctkOT".includes(name)) };
  const told = itemFlags(asked, item, shard.store.now(), touch, request.isKeyBinary);
  return request.has("v") ? `VA ${number.length}${told}\r\n${number}\r\n` : `HD${told}\r\n`;
}
