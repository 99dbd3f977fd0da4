/** ms: stores, in one of five modes. */

import {
  parseInt32,
  parseUint32,
  parseUint64,
} from "../../protocols/memcache/codec/text/number.ts";
import { echo, type MetaRequest, readMeta } from "./meta-request.ts";
import { type StoreMode, storeItem } from "./operations.ts";
import {
  BAD_DATA,
  BAD_FORMAT,
  BAD_MODE_LENGTH,
  BAD_SET_MODE,
  BAD_TOKEN,
  ERROR,
  TOO_LARGE,
} from "./replies.ts";
import { count, type Shard } from "./shard.ts";
import type { Announcement } from "./text-storage.ts";

const MODES: Readonly<Record<string, StoreMode>> = {
  E: "add",
  A: "append",
  P: "prepend",
  R: "replace",
  S: "set",
};
const DATA_BYTES_MAX = 2 ** 31 - 3;

interface Order {
  readonly mode: StoreMode;
  readonly flags: number;
  readonly exptime: number;
  readonly cas: bigint | null;
}

const CODES = { stored: "HD", not_stored: "NS", exists: "EX", not_found: "NF" } as const;

/** Reads the line of an `ms`. What is wrong with its flags is told after its data. */
export function announceMeta(shard: Shard, words: readonly string[]): Announcement {
  const bytes = parseInt32(words[2] ?? "");
  if (words.length < 2) return { kind: "reply", reply: ERROR };
  if (bytes === null || bytes < 0 || bytes > DATA_BYTES_MAX || (words[1]?.length ?? 0) > 250) {
    return { kind: "reply", reply: BAD_FORMAT };
  }
  const skip = (reply: string): Announcement => ({ kind: "skip", bytes: bytes + 2, reply });
  const request = readMeta(words, 3);
  if (typeof request === "string") return skip(request);
  const order = readOrder(request);
  if (typeof order === "string") return skip(order);
  if (!shard.store.fits(request.key, bytes, order.flags)) {
    shard.store.delete(request.key);
    return skip(TOO_LARGE);
  }
  return {
    kind: "data",
    bytes,
    badData: BAD_DATA,
    run: (value) => run(shard, request, order, value),
  };
}

function readOrder(request: MetaRequest): Order | string {
  // The first bad token in the client's order is the one that is told of.
  for (const { name, token } of request.flags) {
    if (name === "F" && parseUint32(token) === null) return BAD_FORMAT;
    if (name === "T" && parseInt32(token) === null) return BAD_TOKEN;
    if (name === "C" && parseUint64(token) === null) return BAD_TOKEN;
  }
  const letter = request.token("M") ?? "S";
  if (letter.length !== 1) return BAD_MODE_LENGTH;
  const mode = Object.hasOwn(MODES, letter) ? MODES[letter] : undefined;
  if (mode === undefined) return BAD_SET_MODE;
  const cas = request.token("C");
  return {
    mode,
    flags: parseUint32(request.token("F") ?? "0") ?? 0,
    exptime: parseInt32(request.token("T") ?? "0") ?? 0,
    cas: cas === null ? null : parseUint64(cas),
  };
}

function run(shard: Shard, request: MetaRequest, order: Order, value: string): string {
  count(shard, "cmd_meta");
  count(shard, "cmd_set");
  const { store } = shard;
  const { outcome, item } = storeItem(store, {
    mode: order.mode,
    key: request.key,
    value,
    flags: order.flags,
    expiresAt: store.expiryOf(order.exptime),
    cas: order.cas,
    mayBeStale: request.has("I"),
  });
  if (item !== null) item.isKeyBinary = request.isKeyBinary;
  if (item !== null && request.has("q")) return "";
  const cas = item?.cas ?? 0;
  const told = request.flags.map((flag) => {
    return flag.name === "c" ? ` c${cas}` : echo(request, flag, request.isKeyBinary);
  });
  return `${CODES[outcome]}${told.join("")}\r\n`;
}
