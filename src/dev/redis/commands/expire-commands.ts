/** Commands about when keys expire. */

import { INT64_MAX, INT64_MIN } from "../../../protocols/redis/codec/integer.ts";
import { at, type Call, type CommandTable, from } from "../command.ts";
import { cText, fail } from "../command-error.ts";
import { integerArg } from "../number.ts";
import { flag, integer, ONE, ZERO } from "../reply.ts";

interface Unit {
  readonly command: string;
  readonly milliseconds: bigint;
  /** Relative to now, or since the epoch. */
  readonly isRelative: boolean;
}

export const EXPIRE_COMMANDS: CommandTable = {
  expire: [-3, expireBy({ command: "expire", milliseconds: 1000n, isRelative: true })],
  pexpire: [-3, expireBy({ command: "pexpire", milliseconds: 1n, isRelative: true })],
  expireat: [-3, expireBy({ command: "expireat", milliseconds: 1000n, isRelative: false })],
  pexpireat: [-3, expireBy({ command: "pexpireat", milliseconds: 1n, isRelative: false })],
  ttl: [2, (call) => remaining(call, (ms) => (ms + 500n) / 1000n)],
  pttl: [2, (call) => remaining(call, (ms) => ms)],
  expiretime: [2, (call) => expireTime(call, (ms) => (ms + 500n) / 1000n)],
  pexpiretime: [2, (call) => expireTime(call, (ms) => ms)],
  persist: [2, persist],
};

/** Milliseconds since the epoch that an expiry argument means; fails when it is out of int64's range. */
export function expiryMs(call: Call, text: string, unit: Unit): bigint {
  const invalid = `ERR invalid expire time in '${unit.command}' command`;
  const amount = integerArg(text);
  const milliseconds = amount * unit.milliseconds;
  if (milliseconds > INT64_MAX || milliseconds < INT64_MIN) fail(invalid);
  const base = unit.isRelative ? BigInt(call.shard.clock()) : 0n;
  if (milliseconds > INT64_MAX - base) fail(invalid);
  return milliseconds + base;
}

function expireBy(unit: Unit): (call: Call) => string {
  return (call) => {
    const condition = readConditions(from(call, 3));
    const atMs = expiryMs(call, at(call, 2), unit);
    const key = at(call, 1);
    if (call.db.get(key) === undefined || !condition(call.db.expiry(key), atMs)) return ZERO;
    if (atMs <= BigInt(call.shard.clock())) call.db.delete(key);
    else call.db.setExpiry(key, atMs);
    return ONE;
  };
}

/** NX, XX, GT and LT. A key that never expires counts as expiring last. */
function readConditions(options: readonly string[]): (old: bigint | null, atMs: bigint) => boolean {
  const given = new Set<string>();
  for (const option of options) {
    const name = option.toUpperCase();
    if (!["NX", "XX", "GT", "LT"].includes(name)) fail(`ERR Unsupported option ${cText(option)}`);
    given.add(name);
  }
  if (given.has("NX") && given.size > 1) {
    fail("ERR NX and XX, GT or LT options at the same time are not compatible");
  }
  if (given.has("GT") && given.has("LT")) {
    fail("ERR GT and LT options at the same time are not compatible");
  }
  return (old, atMs) => {
    if (given.has("NX") && old !== null) return false;
    if (given.has("XX") && old === null) return false;
    if (given.has("GT") && (old === null || atMs <= old)) return false;
    return !(given.has("LT") && old !== null && atMs >= old);
  };
}

function remaining(call: Call, inUnit: (ms: bigint) => bigint): string {
  const key = at(call, 1);
  if (call.db.get(key) === undefined) return integer(-2);
  const atMs = call.db.expiry(key);
  if (atMs === null) return integer(-1);
  const left = atMs - BigInt(call.shard.clock());
  return integer(inUnit(left < 0n ? 0n : left));
}

function expireTime(call: Call, inUnit: (ms: bigint) => bigint): string {
  const key = at(call, 1);
  if (call.db.get(key) === undefined) return integer(-2);
  const atMs = call.db.expiry(key);
  return integer(atMs === null ? -1 : inUnit(atMs));
}

function persist(call: Call): string {
  const key = at(call, 1);
  const hadExpiry = call.db.expiry(key) !== null;
  if (hadExpiry) call.db.setExpiry(key, null);
  return flag(hadExpiry);
}
