/**
 * Random Redis scripts for the differential test: every family of commands that twemproxy forwards, over few keys of
 * all types, with wrong arities, wrong types, unknown commands, inline requests and requests that get no reply.
 *
 * Text stands for bytes throughout (latin1), so that a counterexample can be read.
 */
import fc from "fast-check";

export interface Step {
  /** What is sent. */
  readonly request: string;
  /** How the reply is compared with what one Redis answers. */
  readonly compare: "bytes" | "unordered" | "error" | "none";
}

/**
 * Commands and the kinds of their arguments: lower case words are kinds (see KINDS), all else is literal. `key` is
 * any key, `same` is one whose tag all `same` of the command share, so that they are on one server; `x+` is one or
 * more. Left out: what answers by chance or by the clock (SPOP, SRANDMEMBER, TTL, EXPIRETIME …), or by a hash seed (SSCAN).
 */
const TEMPLATES: readonly string[] = `
APPEND key value | DECR key | DECRBY key int | GET key | GETDEL key | GETEX key | GETEX key PERSIST | GETRANGE key int int
GETSET key value | INCR key | INCRBY key int | INCRBYFLOAT key float | PSETEX key 100000 value | SET key value
SET key value NX | SET key value XX GET | SET key value KEEPTTL | SET key value EX 1000 | SET key value PXAT 9999999999000 | SET key value BAD | SETEX key 1000 value
SETNX key value | SETRANGE key nat value | STRLEN key | SUBSTR key int int | LCS same same
MGET key+ | MSET pair+ | DEL key+ | UNLINK key+ | EXISTS key+ | TOUCH key+
GETBIT key nat | SETBIT key nat bit | BITCOUNT key | BITCOUNT key int int | BITPOS key bit | BITPOS key bit int
BITFIELD key INCRBY u5 nat int GET i8 0 | BITFIELD_RO key GET u4 0 | BITOP OR same same same
EXPIREAT key 9999999999 | PEXPIREAT key 9999999999000 | PERSIST key | TYPE key
EXPIREAT key 1 | COPY same same | COPY same same REPLACE | RENAME same same | RENAMENX same same | OBJECT ENCODING key
HSET key field value | HSET key field value field value | HGET key field | HMGET key field+ | HMSET key field value
HDEL key field+ | HEXISTS key field | HGETALL key | HKEYS key | HVALS key | HLEN key | HSTRLEN key field | HSETNX key field value
HINCRBY key field int | HINCRBYFLOAT key field float | HSCAN key 0
LPUSH key value+ | RPUSH key value+ | LPUSHX key value | RPUSHX key value | LPOP key | LPOP key nat | RPOP key | RPOP key nat
LLEN key | LINDEX key int | LRANGE key int int | LREM key int value | LSET key int value | LTRIM key int int
LINSERT key BEFORE value value | LPOS key value | RPOPLPUSH same same | LMOVE same same LEFT RIGHT
SADD key member+ | SREM key member+ | SISMEMBER key member | SMISMEMBER key member+ | SMEMBERS key | SCARD key
SMOVE same same member | SINTER same+ | SUNION same+ | SDIFF same+ | SINTERSTORE same same+ | SUNIONSTORE same same+
SDIFFSTORE same same+ | SINTERCARD 2 same same
ZADD key score member | ZADD key score member score member | ZADD key GT CH score member | ZADD key INCR score member
ZREM key member+ | ZSCORE key member | ZMSCORE key member+ | ZINCRBY key score member | ZCARD key | ZRANK key member
ZREVRANK key member | ZRANGE key int int | ZRANGE key int int REV WITHSCORES | ZREVRANGE key int int
ZRANGEBYSCORE key -inf +inf WITHSCORES | ZRANGEBYSCORE key score score LIMIT 0 2 | ZREVRANGEBYSCORE key +inf score
ZRANGEBYLEX key - + | ZREVRANGEBYLEX key + [b | ZCOUNT key score score | ZLEXCOUNT key - [c | ZPOPMIN key | ZPOPMAX key nat
ZREMRANGEBYRANK key int int | ZREMRANGEBYSCORE key score score | ZREMRANGEBYLEX key [a [b | ZSCAN key 0
ZUNIONSTORE same 2 same same | ZINTERSTORE same 2 same same WEIGHTS 2 3 | ZDIFFSTORE same 1 same | ZUNION 2 same same
ZINTER 2 same same WITHSCORES | ZDIFF 2 same same | ZRANGESTORE same same 0 -1 | ZUNIONSTORE same nat same | ZINTERCARD 1 same
PFADD key value+ | PFCOUNT same+ | PFMERGE same same+
GEOADD key 13.361389 38.115556 member | GEODIST key member member | GEOHASH key member+ | GEOPOS key member+
GEORADIUS key 15 37 200 km | GEORADIUSBYMEMBER key member 100 km ASC | GEOSEARCH key FROMLONLAT 15 37 BYRADIUS 200 km ASC
GEOSEARCHSTORE same same FROMLONLAT 15 37 BYBOX 400 400 km
SORT key | SORT key ALPHA DESC LIMIT 0 3 | SORT_RO key ALPHA
XADD key 1-1 field value | XADD key 2-* field value | XLEN key | XRANGE key - + | XDEL key 1-1
EVAL return{KEYS[1],ARGV[1]} 1 key value | EVAL return#KEYS 2 same same | EVALSHA 0000000000000000000000000000000000000000 1 key
RESTORE key 0 value | PING | PING value | ECHO value | SELECT 0
`
  .split(/[|\n]/)
  .map((template) => template.trim())
  .filter((template) => template !== "");

/** Replies whose elements come in the order of a hash table with a random seed. */
const UNORDERED: ReadonlySet<string> = new Set(
  "SMEMBERS SINTER SUNION SDIFF HGETALL HKEYS HVALS HSCAN ZSCAN SORT SORT_RO".split(" "),
);

const TAGS = ["{a}", "{b}", "{c}", "{d}", "{e}", "{f}"];

const integer = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: -3, max: 5 }).map(String) },
  { weight: 1, arbitrary: fc.constantFrom("", "x", "-0", "+1", "9223372036854775807", "01") },
);

const text: fc.Arbitrary<string> = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom("a", "b", "c", "1", "2", "10", "3.5") },
  { weight: 2, arbitrary: fc.uint8Array({ maxLength: 24 }).map(latin1) },
  { weight: 2, arbitrary: fc.constantFrom("", "\r\n", "$3\r\n", "+OK\r\n*1\r\n$-1\r\n", "\0") },
  { weight: 1, arbitrary: fc.integer({ min: 100, max: 5000 }).map((size) => "v".repeat(size)) },
);

/** Large enough that nothing passes it on in one piece. */
const large = fc.integer({ min: 60_000, max: 200_000 }).map((size) => "L".repeat(size));

const KINDS: Readonly<Record<string, fc.Arbitrary<string>>> = {
  key: fc.oneof(
    {
      weight: 12,
      arbitrary: fc
        .tuple(fc.constantFrom(...TAGS), fc.constantFrom("1", "2"))
        .map((parts) => parts.join("")),
    },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 8 }).map(latin1) },
  ),
  value: fc.oneof({ weight: 40, arbitrary: text }, { weight: 1, arbitrary: large }),
  field: text,
  member: text,
  int: integer,
  nat: fc.integer({ min: 0, max: 40 }).map(String),
  bit: fc.constantFrom("0", "1", "2"),
  float: fc.constantFrom("0.5", "-1.25", "3", "1e2", "nan", "x"),
  score: fc.constantFrom("0", "1", "-1", "2.5", "(1", "inf", "-inf", "x"),
};

/** Wrong requests and odd ones that keep the connection open. */
const odd: fc.Arbitrary<Step> = fc.oneof(
  fc.constantFrom("\r\n", "\n", "*0\r\n", "*-1\r\n").map(noReply),
  fc
    .tuple(fc.constantFrom("FOO", "GETT", "", "\xff\0", "get\r\n", "S ET"), fc.array(text))
    .map(([name, args]) => ({ request: encode([name, ...args]), compare: "error" as const })),
);

/** Any step: mostly a command, sometimes with too many or too few arguments, sometimes inline. */
export const anyStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 14, arbitrary: fc.constantFrom(...TEMPLATES).chain(stepOf) },
  { weight: 1, arbitrary: odd },
);

/** For each template a few steps, always the same ones. */
export function everyTemplate(samples: number): Step[] {
  return TEMPLATES.flatMap((template, index) =>
    fc.sample(argumentsOf(template), { numRuns: samples, seed: index }).map((args) => ({
      request: encode(args),
      compare: comparison(args[0] ?? ""),
    })),
  );
}

/** A command as an array of bulk strings; text is bytes. */
export function encode(args: readonly string[]): string {
  return `*${args.length}\r\n${args.map((arg) => `$${arg.length}\r\n${arg}\r\n`).join("")}`;
}

function stepOf(template: string): fc.Arbitrary<Step> {
  return fc
    .record({
      args: argumentsOf(template),
      spelling: fc.constantFrom("upper", "lower", "mixed"),
      arity: fc.oneof(
        { weight: 20, arbitrary: fc.constant("right") },
        { weight: 1, arbitrary: fc.constantFrom("short", "long") },
      ),
      form: fc.oneof(
        { weight: 12, arbitrary: fc.constant("multibulk") },
        { weight: 1, arbitrary: fc.constantFrom("inline", "quoted") },
      ),
    })
    .map(({ args, spelling, arity, form }) => {
      const [name = "", ...rest] = args;
      if (arity === "short") rest.pop();
      if (arity === "long") rest.push("extra");
      const spelled = [spell(name, spelling), ...rest];
      const isInline = form !== "multibulk" && rest.every((arg) => arg.length < 1000);
      return {
        request: isInline ? inline(spelled, form === "quoted") : encode(spelled),
        compare: comparison(name),
      };
    });
}

function argumentsOf(template: string): fc.Arbitrary<string[]> {
  return fc
    .constantFrom(...TAGS)
    .chain((tag) => fc.tuple(...template.split(" ").map((word) => argument(word, tag))))
    .map((parts) => parts.flat());
}

function argument(word: string, tag: string): fc.Arbitrary<string[]> {
  if (word.endsWith("+") && word !== "+") {
    const one = argument(word.substring(0, word.length - 1), tag);
    return fc.array(one, { minLength: 1, maxLength: 6 }).map((parts) => parts.flat());
  }
  if (word === "pair") return fc.tuple(kind("key"), kind("value"));
  if (word === "same") return fc.constantFrom("1", "2").map((name) => [tag + name]);
  const arbitrary = KINDS[word];
  return arbitrary === undefined ? fc.constant([word]) : arbitrary.map((value) => [value]);
}

function kind(name: string): fc.Arbitrary<string> {
  return KINDS[name] ?? fc.constant(name);
}

function comparison(name: string): Step["compare"] {
  return UNORDERED.has(name) ? "unordered" : "bytes";
}

function spell(name: string, spelling: string): string {
  if (spelling === "upper") return name;
  if (spelling === "lower") return name.toLowerCase();
  return [...name].map((char, at) => (at % 2 === 0 ? char : char.toLowerCase())).join("");
}

/** The same request as a line of text: quoted throughout, or only where it must be. */
function inline(args: readonly string[], isQuoted: boolean): string {
  const words = args.map((arg) => {
    if (!isQuoted && /^[\w{}.:+-]+$/.test(arg)) return arg;
    if (isQuoted && /^[\w{}.: "-]+$/.test(arg)) return `'${arg}'`;
    const escaped = [...arg].map((char) =>
      /[\w{}.: -]/.test(char) ? char : `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`,
    );
    return `"${escaped.join("")}"`;
  });
  return `${words.join(isQuoted ? "  " : " ")}${isQuoted ? "\r\n" : "\n"}`;
}

function noReply(request: string): Step {
  return { request, compare: "none" };
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("latin1");
}
