/** mg, md, me and mn: the meta commands that look and take away. */

import { MEMCACHE_KEY_BYTES_MAX } from "../../base/limits.ts";
import { parseInt32, parseUint64 } from "../../protocols/memcache/codec/text/number.ts";
import type { Item } from "./item.ts";
import { itemBytes } from "./item.ts";
import { metaArithmetic } from "./meta-arithmetic.ts";
import { asBadFlag, echoes, itemFlags, type MetaRequest, readMeta } from "./meta-request.ts";
import { BAD_FORMAT, BAD_TOKEN, INVALID_OR_DUPLICATE, MISS, NOOP } from "./replies.ts";
import { count, countLookup, type Shard } from "./shard.ts";
import { type TextCall, type TextTable, word } from "./text-command.ts";

const ANY_NUMBER = Number.POSITIVE_INFINITY;

export const META_COMMANDS: TextTable = {
  mg: { words: [2, ANY_NUMBER], run: metaGet },
  md: { words: [2, ANY_NUMBER], run: metaDelete },
  ma: { words: [2, ANY_NUMBER], run: metaArithmetic },
  me: { words: [1, ANY_NUMBER], run: metaDebug },
  mn: { words: [1, ANY_NUMBER], run: () => NOOP },
};

interface GetTokens {
  /** Seconds; null: the flag is not there. */
  readonly vivify: number | null;
  readonly recache: number | null;
  readonly touch: number | null;
}

function metaGet({ words, shard }: TextCall): string {
  const request = readMeta(words, 2);
  if (typeof request === "string") return request;
  const tokens = readGetTokens(request);
  if (tokens === null) return BAD_TOKEN;
  count(shard, "cmd_meta");
  count(shard, "cmd_get");
  const found = shard.store.peek(request.key);
  countLookup(shard, "get", found !== null);
  if (found === null && tokens.vivify === null) {
    return request.has("q") ? "" : `EN${echoes(request)}\r\n`;
  }
  const item = found ?? vivify(shard, request, tokens.vivify ?? 0);
  const won = found === null ? " W" : marks(item, tokens, shard.store.now());
  if (found === null) item.isWon = true;
  const touch = (): void => {
    item.expiresAt = shard.store.expiryOf(tokens.touch ?? 0);
  };
  const told = itemFlags(request, item, shard.store.now(), touch) + won;
  // Asking for how it was used must not change the answer.
  shard.store.use(request.key);
  if (!request.has("v")) return `HD${told}\r\n`;
  return `VA ${item.value.length}${told}\r\n${item.value}\r\n`;
}

function readGetTokens(request: MetaRequest): GetTokens | null {
  const read = (name: string): number | null | undefined => {
    const token = request.token(name);
    return token === null ? null : (parseInt32(token) ?? undefined);
  };
  const [vivify, recache, touch] = [read("N"), read("R"), read("T")];
  if (vivify === undefined || recache === undefined || touch === undefined) return null;
  return { vivify, recache, touch };
}

function vivify(shard: Shard, request: MetaRequest, exptime: number): Item {
  return shard.store.put(request.key, "", 0, shard.store.expiryOf(exptime));
}

/** Who may make the item anew: W for the one that is told so, Z for those who come later; X: it is stale. */
function marks(item: Item, tokens: GetTokens, now: number): string {
  const isDue =
    tokens.recache !== null && item.expiresAt !== 0 && item.expiresAt - now < tokens.recache;
  const wins = !item.isWon && (item.isStale || isDue);
  const text = `${item.isWon ? " Z" : ""}${item.isStale ? " X" : ""}${wins ? " W" : ""}`;
  if (wins) item.isWon = true;
  return text;
}

function metaDelete({ words, shard }: TextCall): string {
  const request = readMeta(words, 2);
  if (typeof request === "string") return asBadFlag(request);
  const cas = request.token("C");
  const exptime = request.token("T");
  const wanted = cas === null ? null : parseUint64(cas);
  const seconds = exptime === null ? null : parseInt32(exptime);
  if ((cas !== null && wanted === null) || (exptime !== null && seconds === null))
    return INVALID_OR_DUPLICATE;
  count(shard, "cmd_meta");
  const item = shard.store.peek(request.key);
  countLookup(shard, "delete", item !== null);
  if (item === null) return `NF${echoes(request)}\r\n`;
  const told = echoes(request);
  if (wanted !== null && wanted !== BigInt(item.cas)) return `EX${told}\r\n`;
  if (request.has("I")) {
    if (seconds !== null) item.expiresAt = shard.store.expiryOf(seconds);
    item.isStale = true;
    item.isWon = false;
    item.cas = shard.store.nextCas();
  } else {
    shard.store.delete(request.key);
  }
  return request.has("q") ? "" : `HD${told}\r\n`;
}

function metaDebug(call: TextCall): string {
  const sent = word(call, 1);
  const isBinary = word(call, 2) === "b";
  if (
    sent === "" ||
    sent.length > MEMCACHE_KEY_BYTES_MAX ||
    call.words.length > (isBinary ? 3 : 2)
  ) {
    return BAD_FORMAT;
  }
  const key = isBinary ? Buffer.from(sent, "base64").toString("latin1") : sent;
  const { store } = call.shard;
  const item = store.peek(key);
  if (item === null) return MISS;
  const now = store.now();
  // The sign is memcached's.
  const expiry = item.expiresAt === 0 ? -1 : now - item.expiresAt;
  const size = itemBytes(key, item.value.length, item.flags);
  const used = `la=${now - item.usedAt} cas=${item.cas} fetch=${item.isFetched ? "yes" : "no"}`;
  return `ME ${sent} exp=${expiry} ${used} cls=1 size=${size}\r\n`;
}
