/** The key and flags of a meta command, and what all of them print alike. */

import { MEMCACHE_KEY_BYTES_MAX } from "../../base/limits.ts";
import { decodeKey } from "../../protocols/memcache/codec/meta/base64-key.ts";
import type { Item } from "./item.ts";
import {
  BAD_FORMAT,
  BAD_KEY,
  DUPLICATE_FLAG,
  INVALID_FLAG,
  INVALID_OR_DUPLICATE,
  OPAQUE_TOO_LONG,
} from "./replies.ts";

const KNOWN = new Set("NTRlOPLkstcfvhqubIFCMJDE");
/** A client's own mark on a request; memcached takes one byte less than its documentation says. */
const OPAQUE_BYTES_MAX = 32;

export interface MetaFlag {
  /** One character. */
  readonly name: string;
  readonly token: string;
}

export interface MetaRequest {
  readonly key: string;
  readonly isKeyBinary: boolean;
  /** In the client's order. */
  readonly flags: readonly MetaFlag[];
  has(name: string): boolean;
  /** The flag's token; null when the flag is not there. */
  token(name: string): string | null;
}

/** Reads key and flags. @returns the error reply when they make no sense */
export function readMeta(words: readonly string[], flagsFrom: number): MetaRequest | string {
  const sent = words[1] ?? "";
  if (sent === "" || sent.length > MEMCACHE_KEY_BYTES_MAX) return BAD_FORMAT;
  const flags: MetaFlag[] = [];
  for (const text of words.filter((_, index) => index >= flagsFrom)) {
    const name = text.charAt(0);
    if (flags.some((flag) => flag.name === name)) return DUPLICATE_FLAG;
    if (!KNOWN.has(name)) return INVALID_FLAG;
    const token = text.substring(1);
    if (name === "O" && text.length > OPAQUE_BYTES_MAX) {
      return OPAQUE_TOO_LONG;
    }
    flags.push({ name, token });
  }
  const isKeyBinary = flags.some(({ name }) => name === "b");
  const key = isKeyBinary ? (decodeKey(sent)?.toString("latin1") ?? null) : sent;
  if (key === null) return BAD_KEY;
  const token = (name: string): string | null =>
    flags.find((flag) => flag.name === name)?.token ?? null;
  return { key, isKeyBinary, flags, token, has: (name) => token(name) !== null };
}

/** " kKEY Oopaque", in the client's order: what is told even where there is no item. */
export function echoes(request: MetaRequest): string {
  return request.flags.map((flag) => echo(request, flag, request.isKeyBinary)).join("");
}

/** The flags that ask for something about the item, answered in the client's order; a T calls `touch` in its turn. */
export function itemFlags(
  request: MetaRequest,
  item: Item,
  now: number,
  touch: () => void = () => {},
  isBinary: boolean = item.isKeyBinary,
): string {
  const text = (flag: MetaFlag): string => {
    const { name } = flag;
    if (name === "T") touch();
    if (name === "c") return ` c${item.cas}`;
    if (name === "t") return ` t${item.expiresAt === 0 ? -1 : item.expiresAt - now}`;
    if (name === "f") return ` f${item.flags}`;
    if (name === "s") return ` s${item.value.length}`;
    if (name === "h") return ` h${item.isFetched ? 1 : 0}`;
    if (name === "l") return ` l${now - item.usedAt}`;
    return echo(request, flag, isBinary);
  };
  return request.flags.map(text).join("");
}

/** md and ma have one text for everything that is wrong with a flag. */
export function asBadFlag(reply: string): string {
  return reply === BAD_FORMAT ? reply : INVALID_OR_DUPLICATE;
}

/** What the flag asks to be told about the request itself; "" when it asks for something else. */
export function echo(request: MetaRequest, { name, token }: MetaFlag, isBinary: boolean): string {
  if (name === "O") return ` O${token}`;
  return name === "k" ? ` k${shownKey(request.key, isBinary)}` : "";
}

function shownKey(key: string, isBinary: boolean): string {
  return isBinary ? `${Buffer.from(key, "latin1").toString("base64")} b` : key;
}
