/** The reply shapes that RESP2 and RESP3 write differently, as redis-server 7.0 chooses them. */
import { formatDouble } from "./number.ts";
import { array, bulk, bulks, NIL, NIL_ARRAY } from "./reply.ts";
import type { Scored } from "./sorted-set-value.ts";

export interface Encoding {
  readonly version: 2 | 3;
  readonly nil: string;
  readonly nilArray: string;
  /** Keys as texts, values encoded already. RESP2: a flat array. */
  map(entries: readonly (readonly [key: string, value: string])[]): string;
  /** Members as texts. RESP2: an array. */
  set(members: readonly string[]): string;
  /** A score. RESP2: a bulk string. */
  double(value: number): string;
  /** Text for people. RESP2: a bulk string. */
  verbatim(text: string): string;
  /** Items of two values each, which are encoded already. RESP2: a flat array. */
  pairs(items: readonly (readonly [string, string])[]): string;
}

export const RESP2: Encoding = {
  version: 2,
  nil: NIL,
  nilArray: NIL_ARRAY,
  map: (entries) => array(entries.flatMap(([key, value]) => [bulk(key), value])),
  set: bulks,
  double: (value) => bulk(formatDouble(value)),
  verbatim: bulk,
  pairs: (items) => array(items.flat()),
};

const RESP3_NULL = "_\r\n";

export const RESP3: Encoding = {
  version: 3,
  nil: RESP3_NULL,
  nilArray: RESP3_NULL,
  map: (entries) =>
    `%${entries.length}\r\n${entries.map(([key, value]) => bulk(key) + value).join("")}`,
  set: (members) => `~${members.length}\r\n${members.map(bulk).join("")}`,
  double: (value) => `,${formatDouble(value)}\r\n`,
  verbatim: (text) => `=${text.length + 4}\r\ntxt:${text}\r\n`,
  pairs: (items) => array(items.map(array)),
};

export function bulkOrNil(encoding: Encoding, value: string | undefined): string {
  return value === undefined ? encoding.nil : bulk(value);
}

export function doubleOrNil(encoding: Encoding, value: number | undefined): string {
  return value === undefined ? encoding.nil : encoding.double(value);
}

/** Members, each followed by its score. */
export function scored(encoding: Encoding, items: readonly Scored[]): string {
  return encoding.pairs(items.map(({ member, score }) => [bulk(member), encoding.double(score)]));
}
