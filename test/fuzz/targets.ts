/** What is fuzzed: everything that finds messages in bytes from outside. */
import { scanProxyHeader } from "../../src/client/proxy-header.ts";
import { BinaryReplyScanner } from "../../src/protocols/memcache/codec/binary/reply-scanner.ts";
import { TextReplyScanner } from "../../src/protocols/memcache/codec/text/reply-scanner.ts";
import { TextRequestScanner } from "../../src/protocols/memcache/codec/text/request-scanner.ts";
import { TextRequest } from "../../src/protocols/memcache/codec/text/text-request.ts";
import { RedisReplyScanner } from "../../src/protocols/redis/codec/reply-scanner.ts";
import { RequestScanner } from "../../src/protocols/redis/codec/request-scanner.ts";
import { RequestView } from "../../src/protocols/redis/codec/request-view.ts";

/** One message, as it was found. */
export interface Finding {
  /** Where it ends; 0: more must come; below 0: it is none, and nothing follows. */
  readonly end: number;
  /** What was understood of it. */
  readonly what: string;
}

export interface Target {
  readonly name: string;
  /** Messages that are right. */
  readonly examples: readonly string[];
  /** What makes a difference in them. */
  readonly words: readonly string[];
  /** A scanner in its first state. */
  create(): (bytes: Buffer, start: number, end: number) => Finding;
  /** There is one message only. */
  readonly isOnce?: boolean;
}

const NUMBERS = [
  "0",
  "1",
  "-1",
  "9",
  "10",
  "255",
  "65536",
  "2147483647",
  "2147483648",
  "4294967295",
  "1e3",
  "+1",
  "01",
  "99999999999999999999",
  "-0",
];
const RESP_WORDS = [
  "\r\n",
  "\r",
  "\n",
  "*",
  "$",
  ":",
  "+",
  "-",
  "_",
  "%",
  "~",
  ">",
  "=",
  "(",
  "#",
  ",",
  "!",
  "|",
  "$-1\r\n",
  "*0\r\n",
  "*-1\r\n",
  "?",
  "\0",
  " ",
  '"',
  "'",
  "\\x41",
  ...NUMBERS,
];
const TEXT_WORDS = [
  "get ",
  "gets ",
  "set ",
  "noreply",
  "mg ",
  "ms ",
  "END\r\n",
  "VALUE ",
  "VA ",
  "HD\r\n",
  "\r\n",
  "\r",
  "\n",
  " ",
  "\0",
  "O1",
  "k",
  "b",
  "q",
  "STAT a b\r\n",
  "ERROR\r\n",
  ...NUMBERS,
];

function reply(
  name: string,
  create: () => { scan(bytes: Buffer, start: number, end: number): number },
  examples: readonly string[],
  words: readonly string[],
): Target {
  return {
    ...{ name, examples, words },
    create() {
      const scanner = create();
      return (bytes, start, end) => ({ end: scanner.scan(bytes, start, end), what: "" });
    },
  };
}

const binary = (opcode: number, keyLength: number, extras: number, body: number): string =>
  Buffer.from([
    0x81,
    opcode,
    0,
    keyLength,
    extras,
    0,
    0,
    0,
    0,
    0,
    0,
    body,
    1,
    2,
    3,
    4,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    9,
  ]).toString("latin1");

const RESP_REPLIES = [
  "+OK\r\n",
  "-ERR no\r\n",
  ":12\r\n",
  "$3\r\nabc\r\n",
  "$-1\r\n",
  "*2\r\n$1\r\na\r\n*1\r\n:1\r\n",
  "*0\r\n",
  "$0\r\n\r\n",
];
const RESP3_REPLIES = [
  ...RESP_REPLIES,
  "%1\r\n+a\r\n:1\r\n",
  "_\r\n",
  "#t\r\n",
  ",1.5\r\n",
  ">2\r\n+a\r\n+b\r\n",
  "=7\r\ntxt:abc\r\n",
  "(123\r\n",
  "|1\r\n+a\r\n:1\r\n+OK\r\n",
  "~1\r\n+a\r\n",
];

export const TARGETS: readonly Target[] = [
  {
    name: "redis requests",
    examples: [
      "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n",
      "*0\r\n",
      "PING\r\n",
      "SET \"a b\" 'c'\r\n",
      "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n",
      "\r\n",
    ],
    words: RESP_WORDS,
    create() {
      const scanner = new RequestScanner();
      const view = new RequestView();
      return (bytes, start, end) => {
        const next = scanner.scan(bytes, start, end, view);
        if (next <= 0) return { end: next, what: next < 0 ? scanner.fault : "" };
        return {
          end: next,
          what: Array.from({ length: view.count }, (_, i) => view.text(i)).join("|"),
        };
      };
    },
  },
  reply("redis replies", () => new RedisReplyScanner(2), RESP_REPLIES, RESP_WORDS),
  reply("redis replies, RESP3", () => new RedisReplyScanner(3), RESP3_REPLIES, RESP_WORDS),
  {
    name: "memcached requests",
    examples: [
      "get k\r\n",
      "gets a b c\r\n",
      "set k 1 0 3\r\nabc\r\n",
      "set k 0 0 2 noreply\r\nab\r\n",
      "mg k v O1\r\n",
      "ms k 2 T0\r\nab\r\n",
      "delete k\r\n",
      "incr k 1\r\n",
      "gat 1 k\r\n",
      "mg a2V5 b k v\r\n",
    ],
    words: TEXT_WORDS,
    create() {
      const scanner = new TextRequestScanner();
      const request = new TextRequest();
      return (bytes, start, end) => {
        const next = scanner.scan(bytes, start, end, request);
        if (next <= 0) return { end: next, what: "" };
        const tokens = Array.from({ length: request.count }, (_, i) => request.text(i)).join("|");
        return {
          end: next,
          what: `${tokens} ${request.answer} ${request.isQuiet} ${request.skip}`,
        };
      };
    },
  },
  reply(
    "memcached replies",
    () => new TextReplyScanner(),
    [
      "END\r\n",
      "VALUE k 0 3\r\nabc\r\nEND\r\n",
      "STORED\r\n",
      "VA 2 O1\r\nab\r\n",
      "HD\r\n",
      "EN\r\n",
      "12\r\n",
      "STAT a b\r\nEND\r\n",
      "SERVER_ERROR x\r\n",
      "VALUE a 0 1\r\nx\r\nVALUE b 0 0\r\n\r\nEND\r\n",
    ],
    TEXT_WORDS,
  ),
  reply(
    "memcached binary replies",
    () => new BinaryReplyScanner(),
    [
      binary(0, 0, 0, 0),
      `${binary(0, 0, 4, 6)}\0\0\0\0ab`,
      `${binary(0x10, 1, 0, 2)}kv${binary(0x10, 0, 0, 0)}`,
    ],
    ["\x81", "\x10", "\0", "\xff", "\0\0", "\xff\xff"],
  ),
  {
    name: "PROXY headers",
    isOnce: true,
    examples: [
      "PROXY TCP4 192.0.2.1 192.0.2.2 56324 6379\r\n",
      "PROXY UNKNOWN\r\n",
      "PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n",
      "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x01\x02\x03\x04\x05\x06\x07\x08\0\x01\0\x02",
      "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0",
    ],
    words: [
      "\r\n",
      "PROXY ",
      "TCP4 ",
      "TCP6 ",
      " ",
      "::",
      ".",
      "\0",
      "\x21",
      "\x31",
      "\xff",
      ...NUMBERS,
    ],
    create: () => (bytes, start, end) => {
      const found = scanProxyHeader(bytes, start, end);
      if (found === null) return { end: 0, what: "" };
      if (typeof found === "string") return { end: -1, what: found };
      return { end: start + found.length, what: JSON.stringify(found.address) };
    },
  },
];
