/** The classic commands of the text protocol that carry no data. */

import { MEMCACHE_KEY_BYTES_MAX } from "../../base/limits.ts";
import { parseInt32, parseUint64 } from "../../protocols/memcache/codec/text/number.ts";
import { MEMCACHE_VERSION } from "../../protocols/memcache/codec/version.ts";
import type { Item } from "./item.ts";
import { addDelta } from "./operations.ts";
import {
  BAD_DELETE,
  BAD_DELTA,
  BAD_EXPTIME,
  BAD_FORMAT,
  NOT_A_NUMBER,
  SHUTDOWN_REFUSED,
} from "./replies.ts";
import { count, countLookup } from "./shard.ts";
import { statsReply } from "./stats.ts";
import { quietly, type TextCall, type TextHandler, type TextTable, word } from "./text-command.ts";

const NOT_FOUND = "NOT_FOUND\r\n";
const ANY_NUMBER = Number.POSITIVE_INFINITY;

export const TEXT_COMMANDS: TextTable = {
  get: { words: [2, ANY_NUMBER], run: (call) => getReply(call, false) },
  gets: { words: [2, ANY_NUMBER], run: (call) => getReply(call, true) },
  gat: { words: [2, ANY_NUMBER], run: (call) => gatReply(call, false) },
  gats: { words: [2, ANY_NUMBER], run: (call) => gatReply(call, true) },
  delete: { words: [2, 4], run: deleteReply },
  incr: { words: [3, 4], run: delta("incr") },
  decr: { words: [3, 4], run: delta("decr") },
  touch: { words: [3, 4], run: touchReply },
  flush_all: { words: [1, 3], run: flushReply },
  verbosity: { words: [2, 3], run: (call) => quietly(call, "OK\r\n") },
  version: { words: [1, ANY_NUMBER], run: () => `VERSION ${MEMCACHE_VERSION}\r\n` },
  stats: { words: [1, ANY_NUMBER], run: ({ shard, words }) => statsReply(shard, words) },
  shutdown: { words: [1, ANY_NUMBER], run: () => SHUTDOWN_REFUSED },
};

function getReply(call: TextCall, withCas: boolean): string {
  const keys = call.words.filter((_, index) => index >= 1);
  return valuesReply(keys, withCas, (key) => {
    const item = call.shard.store.use(key);
    count(call.shard, "cmd_get");
    countLookup(call.shard, "get", item !== null);
    return item;
  });
}

function gatReply(call: TextCall, withCas: boolean): string {
  const exptime = parseInt32(word(call, 1));
  if (exptime === null) return BAD_EXPTIME;
  const keys = call.words.filter((_, index) => index >= 2);
  return valuesReply(keys, withCas, (key) => {
    const item = call.shard.store.use(key);
    count(call.shard, "cmd_touch");
    count(call.shard, "cmd_get");
    countLookup(call.shard, "touch", item !== null);
    if (item !== null) item.expiresAt = call.shard.store.expiryOf(exptime);
    return item;
  });
}

function valuesReply(
  keys: readonly string[],
  withCas: boolean,
  find: (key: string) => Item | null,
): string {
  let reply = "";
  for (const key of keys) {
    // Like memcached: what was found before the bad key is forgotten.
    if (key.length > MEMCACHE_KEY_BYTES_MAX) return BAD_FORMAT;
    const item = find(key);
    if (item === null) continue;
    const cas = withCas ? ` ${item.cas}` : "";
    reply += `VALUE ${key} ${item.flags} ${item.value.length}${cas}\r\n${item.value}\r\n`;
  }
  return `${reply}END\r\n`;
}

function deleteReply(call: TextCall): string {
  const { words, shard } = call;
  const [, key = "", third, fourth] = words;
  const isRight =
    third === undefined ||
    (fourth === undefined
      ? third === "0" || third === "noreply"
      : third === "0" && fourth === "noreply");
  if (!isRight) return quietly(call, BAD_DELETE);
  if (key.length > MEMCACHE_KEY_BYTES_MAX) return quietly(call, BAD_FORMAT);
  const item = shard.store.peek(key);
  countLookup(shard, "delete", item !== null);
  if (item === null) return quietly(call, NOT_FOUND);
  shard.store.delete(key);
  return quietly(call, "DELETED\r\n");
}

function delta(verb: "incr" | "decr"): TextHandler {
  return (call) => {
    const key = word(call, 1);
    if (key.length > MEMCACHE_KEY_BYTES_MAX) return quietly(call, BAD_FORMAT);
    const by = parseUint64(word(call, 2));
    if (by === null) return quietly(call, BAD_DELTA);
    const item = call.shard.store.peek(key);
    countLookup(call.shard, verb, item !== null);
    if (item === null) return quietly(call, NOT_FOUND);
    const change = { amount: by, isUp: verb === "incr", cas: null };
    const result = addDelta(call.shard.store, item, change);
    return quietly(call, typeof result === "string" ? NOT_A_NUMBER : `${result}\r\n`);
  };
}

function touchReply(call: TextCall): string {
  const key = word(call, 1);
  if (key.length > MEMCACHE_KEY_BYTES_MAX) return quietly(call, BAD_FORMAT);
  const exptime = parseInt32(word(call, 2));
  if (exptime === null) return quietly(call, BAD_EXPTIME);
  const item = call.shard.store.use(key);
  count(call.shard, "cmd_touch");
  countLookup(call.shard, "touch", item !== null);
  if (item === null) return quietly(call, NOT_FOUND);
  item.expiresAt = call.shard.store.expiryOf(exptime);
  return quietly(call, "TOUCHED\r\n");
}

function flushReply(call: TextCall): string {
  const first = word(call, 1);
  const isBare = first === "" || (call.words.length === 2 && first === "noreply");
  const exptime = isBare ? 0 : parseInt32(first);
  if (exptime === null) return quietly(call, BAD_EXPTIME);
  count(call.shard, "cmd_flush");
  call.shard.store.flush(exptime);
  return quietly(call, "OK\r\n");
}
