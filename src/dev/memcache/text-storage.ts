/** set, add, replace, append, prepend and cas: a line that announces data, and the data. */

import { MEMCACHE_KEY_BYTES_MAX } from "../../base/limits.ts";
import {
  parseInt32,
  parseUint32,
  parseUint64,
} from "../../protocols/memcache/codec/text/number.ts";
import { type StoreMode, storeItem } from "./operations.ts";
import { BAD_FORMAT, ERROR, TOO_LARGE } from "./replies.ts";
import { count, type Shard } from "./shard.ts";
import { isNoreply } from "./text-command.ts";

const MODES: Readonly<Record<string, StoreMode>> = {
  set: "set",
  add: "add",
  replace: "replace",
  append: "append",
  prepend: "prepend",
  cas: "set",
};
const DATA_BYTES_MAX = 2 ** 31 - 3;

const REPLIES = {
  stored: "STORED\r\n",
  not_stored: "NOT_STORED\r\n",
  exists: "EXISTS\r\n",
  not_found: "NOT_FOUND\r\n",
} as const;

/** A line whose data is awaited, or what to answer without any. */
export type Announcement =
  | {
      readonly kind: "data";
      readonly bytes: number;
      /** The data is complete, without its line end. */
      run(data: string): string;
      /** It ended otherwise than in a line end. */
      readonly badData: string;
    }
  /** Too much data: it is to be skipped, with its line end. */
  | { readonly kind: "skip"; readonly bytes: number; readonly reply: string }
  | { readonly kind: "reply"; readonly reply: string };

export function isStorageCommand(name: string): boolean {
  return Object.hasOwn(MODES, name);
}

/** Reads the line of a storage command. */
export function announce(shard: Shard, words: readonly string[], badData: string): Announcement {
  const [name = "", key = "", flagsText = "", exptimeText = "", bytesText = "", casText = ""] =
    words;
  const isCas = name === "cas";
  const least = isCas ? 6 : 5;
  if (words.length < least || words.length > least + 1) return { kind: "reply", reply: ERROR };
  const quiet = (reply: string): string => (isNoreply(words) ? "" : reply);
  const flags = parseUint32(flagsText);
  const exptime = parseInt32(exptimeText);
  const bytes = parseInt32(bytesText);
  const cas = isCas ? parseUint64(casText) : null;
  const isBad = flags === null || exptime === null || bytes === null || (isCas && cas === null);
  if (isBad || key.length > MEMCACHE_KEY_BYTES_MAX || bytes < 0 || bytes > DATA_BYTES_MAX) {
    return { kind: "reply", reply: quiet(BAD_FORMAT) };
  }
  if (!shard.store.fits(key, bytes, flags)) {
    // What is there would otherwise look like what the client wanted to store.
    if (name === "set") shard.store.delete(key);
    return { kind: "skip", bytes: bytes + 2, reply: TOO_LARGE };
  }
  const expiresAt = shard.store.expiryOf(exptime);
  const run = (value: string): string => {
    count(shard, "cmd_set");
    const order = { key, value, flags, expiresAt, cas, mayBeStale: false };
    const { outcome } = storeItem(shard.store, { mode: MODES[name] ?? "set", ...order });
    if (isCas) count(shard, CAS_COUNTS[outcome]);
    return quiet(REPLIES[outcome]);
  };
  return { kind: "data", bytes, run, badData: quiet(badData) };
}

const CAS_COUNTS = {
  stored: "cas_hits",
  not_stored: "cas_misses",
  exists: "cas_badval",
  not_found: "cas_misses",
} as const;
