/** SET and its relatives: writing a whole string, with conditions and expiry. */

import { parseInt64 } from "../../../protocols/redis/codec/integer.ts";
import { at, type Call, type CommandTable, from } from "../command.ts";
import { fail, SYNTAX } from "../command-error.ts";
import { bulkOrNil } from "../encoding.ts";
import { flag, OK, ZERO } from "../reply.ts";
import { expiryMs } from "./expire-commands.ts";

export const STRING_SET_COMMANDS: CommandTable = {
  set: [-3, set, "grows"],
  setnx: [3, setNx, "grows"],
  setex: [4, (call) => setWithExpiry(call, "setex", "EX"), "grows"],
  psetex: [4, (call) => setWithExpiry(call, "psetex", "PX"), "grows"],
  getex: [-2, getEx],
};

type ExpiryUnit = "EX" | "PX" | "EXAT" | "PXAT";

interface Expiry {
  readonly unit: ExpiryUnit;
  readonly text: string;
}

interface SetOptions {
  condition: "NX" | "XX" | null;
  get: boolean;
  /** "keep": KEEPTTL; null: the key will never expire. */
  ttl: Expiry | "keep" | null;
}

/** The options of SET. */
function readSetOptions(options: readonly string[]): SetOptions {
  const result: SetOptions = { condition: null, get: false, ttl: null };
  for (let i = 0; i < options.length; i += 1) {
    const name = (options[i] ?? "").toUpperCase();
    if (name === "NX" || name === "XX") {
      if (result.condition !== null && result.condition !== name) fail(SYNTAX);
      result.condition = name;
    } else if (name === "GET") {
      result.get = true;
    } else if (name === "KEEPTTL" && (result.ttl === null || result.ttl === "keep")) {
      result.ttl = "keep";
    } else {
      result.ttl = readExpiry(name, options[i + 1], result.ttl);
      i += 1;
    }
  }
  return result;
}

/** The options of GETEX: one way to say the expiry, "never", or nothing. */
function readGetExOptions(options: readonly string[]): Expiry | "never" | null {
  let ttl: Expiry | "never" | null = null;
  for (let i = 0; i < options.length; i += 1) {
    const name = (options[i] ?? "").toUpperCase();
    if (name === "PERSIST" && (ttl === null || ttl === "never")) {
      ttl = "never";
    } else {
      ttl = readExpiry(name, options[i + 1], ttl);
      i += 1;
    }
  }
  return ttl;
}

/** The same unit may come again, and then counts; another one, or another option about expiry, may not. */
function readExpiry(
  name: string,
  text: string | undefined,
  before: Expiry | "keep" | "never" | null,
): Expiry {
  if (!isExpiryUnit(name) || text === undefined) fail(SYNTAX);
  if (before !== null && (typeof before === "string" || before.unit !== name)) fail(SYNTAX);
  return { unit: name, text };
}

function isExpiryUnit(name: string): name is ExpiryUnit {
  return name === "EX" || name === "PX" || name === "EXAT" || name === "PXAT";
}

/** Milliseconds since the epoch; an amount of 0 or less is refused here, unlike by EXPIRE. */
function positiveExpiryMs(call: Call, command: string, { unit, text }: Expiry): bigint {
  const amount = parseInt64(text);
  if (amount !== null && amount <= 0n) fail(`ERR invalid expire time in '${command}' command`);
  return expiryMs(call, text, {
    command,
    milliseconds: unit === "EX" || unit === "EXAT" ? 1000n : 1n,
    isRelative: unit === "EX" || unit === "PX",
  });
}

function set(call: Call): string {
  const [key, value] = [at(call, 1), at(call, 2)];
  const { condition, get, ttl } = readSetOptions(from(call, 3));
  const atMs = ttl === null || ttl === "keep" ? null : positiveExpiryMs(call, "set", ttl);
  const old = get ? bulkOrNil(call.encoding, call.db.getString(key)) : null;
  const exists = call.db.get(key) !== undefined;
  if ((condition === "NX" && exists) || (condition === "XX" && !exists))
    return old ?? call.encoding.nil;
  if (ttl === "keep") call.db.replace(key, value);
  else call.db.set(key, value);
  if (atMs !== null) call.db.setExpiry(key, atMs);
  return old ?? OK;
}

function setNx(call: Call): string {
  const key = at(call, 1);
  if (call.db.get(key) !== undefined) return ZERO;
  call.db.set(key, at(call, 2));
  return flag(true);
}

function setWithExpiry(call: Call, command: string, unit: ExpiryUnit): string {
  const atMs = positiveExpiryMs(call, command, { unit, text: at(call, 2) });
  call.db.set(at(call, 1), at(call, 3));
  call.db.setExpiry(at(call, 1), atMs);
  return OK;
}

function getEx(call: Call): string {
  const key = at(call, 1);
  const ttl = readGetExOptions(from(call, 2));
  const value = call.db.getString(key);
  if (value === undefined) return call.encoding.nil;
  if (ttl === "never") {
    call.db.setExpiry(key, null);
  } else if (ttl !== null) {
    const atMs = positiveExpiryMs(call, "getex", ttl);
    if (atMs <= BigInt(call.shard.clock())) call.db.delete(key);
    else call.db.setExpiry(key, atMs);
  }
  return bulkOrNil(call.encoding, value);
}
