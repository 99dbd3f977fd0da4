/** Random Redis commands over a few keys, so that types, expiries and options meet. Byte strings as latin1 text. */
import fc from "fast-check";

type Part = fc.Arbitrary<string> | fc.Arbitrary<string[]>;

const KEYS = ["a", "b", "c", "str", "hash", "list", "set", "zset", "", "k\r\n\0\xff"];

const word1 = (...texts: string[]) => fc.constantFrom(...texts);
const key = fc.constantFrom(...KEYS);
const word = fc.constantFrom("x", "y", "z", "", "foo bar", "\r\n", "\0", "\xff\x80", "10", "3");
const whole = fc.oneof(
  fc.integer({ min: -5, max: 12 }).map(String),
  fc.constantFrom("9223372036854775807", "-9223372036854775808", "9223372036854775808", "1000000"),
  fc.constantFrom("01", "-0", "+1", " 1", "1 ", "", "x", "1.0", "2147483648"),
);
const small = fc.integer({ min: -6, max: 6 }).map(String);
const decimal = fc.oneof(
  small,
  fc.double({ noNaN: true, min: -1e6, max: 1e6 }).map(String),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
  fc.constantFrom("0.1", "3.3", "-0", "1e3", "inf", "-inf", "+Infinity", "nan", "1e400", "-1e400"),
  fc.constantFrom("1e-400", "", " 1", "1x", "1.5e", ".5", "5.", "0x1F", "1e5000", "3.0e-4", "1e17"),
);
/** Whether minus zero keeps its sign depends on how Redis stores the set. */
const score = decimal.filter((text) => text !== "-0");
const value = fc.oneof(word, whole, decimal, fc.string({ maxLength: 12 }).map(latin1));
const future = fc.constantFrom(
  "33177117420",
  "33177117420000",
  "99999999999",
  "100",
  "1",
  "0",
  "-1",
);
const bound = fc.oneof(
  decimal,
  decimal.map((text) => `(${text}`),
  fc.constantFrom("-inf", "+inf"),
);
const lex = fc.oneof(
  fc.constantFrom("-", "+", "", "x"),
  word.map((text) => `[${text}`),
  word.map((text) => `(${text}`),
);
/** Ranges by member are defined for members of one score only: this key has no others. */
const lexKey = fc.constantFrom("lex", "lex", "lex", "none");
/** They hold a collection of one item, a string, or nothing: what is chosen from it at random is known. */
const LONE_KEYS = ["lone", "solo"];
const loneKey = word1(...LONE_KEYS);
/** Few enough to repeat an item, or out of range. */
const chosen = fc.oneof(
  small,
  word1("9223372036854775807", "-9223372036854775808", "9223372036854775808", "x", ""),
);
const offset = fc.oneof(
  small,
  fc.constantFrom("4294967296", "4294967295999", "536870912", "x", "99"),
);

const pattern = fc
  .array(fc.constantFrom("*", "?", "[", "]", "^", "-", "\\", "a", "b", "s", "t", "z", "\xff"), {
    maxLength: 7,
  })
  .map((symbols) => symbols.join(""));

const many = (...parts: Part[]) =>
  fc.array(fc.tuple(...parts), { minLength: 1, maxLength: 4 }).map((rows) => rows.flat(2));
const some = (part: Part) =>
  fc.array(part as fc.Arbitrary<string>, { maxLength: 1 }).map((rows) => rows.flat());
/** Zero to two options, each in any case. */
const options = (...choices: Part[]) =>
  fc
    .array(fc.oneof(...(choices as fc.Arbitrary<string | string[]>[])), { maxLength: 2 })
    .map((rows) => rows.flat());
const pair = (name: string, part: fc.Arbitrary<string>) => part.map((text) => [name, text]);

/** Amounts of time from now: none that could pass while a test runs. */
const later = fc.constantFrom("100000", "33177117420", "9223372036854775807", "0", "-1", "x", "");
const expiry = fc.oneof(
  fc.tuple(word1("EX", "px"), later),
  fc.tuple(word1("EXAT", "PXAT"), future),
) as unknown as fc.Arbitrary<string[]>;
const condition = word1("NX", "XX", "GT", "LT", "nx");
const range = options(
  word1("WITHSCORES", "REV", "BYSCORE", "BYSCORE"),
  fc.tuple(word1("LIMIT"), small, small) as unknown as fc.Arbitrary<string[]>,
);

/** The arguments of each command. Commands whose reply is random or depends on the clock are left out. */
const ARGUMENTS: Record<string, Part[]> = {
  GET: [key],
  STRLEN: [key],
  GETDEL: [key],
  GETSET: [key, value],
  APPEND: [key, value],
  SETNX: [key, value],
  SET: [key, value, options(word1("NX", "XX", "GET", "KEEPTTL", "bogus"), expiry)],
  SETEX: [key, later, value],
  PSETEX: [key, later, value],
  GETEX: [key, options(word1("PERSIST", "NX"), expiry)],
  MGET: [many(key)],
  MSET: [many(key, value)],
  MSETNX: [many(key, value)],
  GETRANGE: [key, whole, small],
  SUBSTR: [key, small, small],
  SETRANGE: [key, offset, value],
  INCR: [key],
  DECR: [key],
  INCRBY: [key, whole],
  DECRBY: [key, whole],
  INCRBYFLOAT: [key, decimal],
  GETBIT: [key, offset],
  SETBIT: [
    key,
    fc.constantFrom("0", "7", "9", "100", "-1", "4294967296", "x"),
    word1("0", "1", "2", "x"),
  ],
  BITCOUNT: [
    key,
    options(fc.tuple(small, small) as unknown as fc.Arbitrary<string[]>, word1("BIT", "BYTE", "x")),
  ],
  DEL: [many(key)],
  UNLINK: [many(key)],
  EXISTS: [many(key)],
  TOUCH: [many(key)],
  TYPE: [key],
  EXPIREAT: [key, future, options(condition)],
  PEXPIREAT: [key, future, options(condition)],
  EXPIRE: [key, word1("0", "-1", "x", "9223372036854775807"), options(condition)],
  PEXPIRE: [key, word1("0", "-1", "x", "9223372036854775807", "-9223372036854775808")],
  EXPIRETIME: [key],
  PEXPIRETIME: [key],
  PERSIST: [key],
  RENAME: [key, key],
  RENAMENX: [key, key],
  HSET: [key, many(word, value)],
  HMSET: [key, many(word, value)],
  HSETNX: [key, word, value],
  HGET: [key, word],
  HMGET: [key, many(word)],
  HGETALL: [key],
  HKEYS: [key],
  HVALS: [key],
  HLEN: [key],
  HEXISTS: [key, word],
  HSTRLEN: [key, word],
  HDEL: [key, many(word)],
  HINCRBY: [key, word, whole],
  HINCRBYFLOAT: [key, word, decimal],
  HSCAN: [key, word1("0"), options(pair("MATCH", word1("*", "x*", "[a-y]", "?")))],
  LPUSH: [key, many(value)],
  RPUSH: [key, many(value)],
  LPUSHX: [key, many(word)],
  RPUSHX: [key, many(word)],
  LPOP: [key, some(whole)],
  RPOP: [key, some(whole)],
  LLEN: [key],
  LINDEX: [key, whole],
  LRANGE: [key, whole, small],
  LSET: [key, whole, word],
  LREM: [key, small, word],
  LTRIM: [key, small, whole],
  LINSERT: [key, word1("BEFORE", "after", "x"), word, word],
  RPOPLPUSH: [key, key],
  LMOVE: [key, key, word1("LEFT", "right", "x"), word1("left", "RIGHT")],
  LPOS: [
    key,
    word,
    options(pair("RANK", small), pair("COUNT", small), pair("MAXLEN", small), word1("x")),
  ],
  SADD: [key, many(value)],
  SREM: [key, many(word)],
  SMEMBERS: [key],
  SISMEMBER: [key, word],
  SMISMEMBER: [key, many(word)],
  SCARD: [key],
  SMOVE: [key, key, word],
  SINTER: [many(key)],
  SUNION: [many(key)],
  SDIFF: [many(key)],
  SINTERSTORE: [key, many(key)],
  SUNIONSTORE: [key, many(key)],
  SDIFFSTORE: [key, many(key)],
  SINTERCARD: [whole, many(key), options(pair("LIMIT", small))],
  ZADD: [key, options(condition, word1("CH", "INCR")), many(score, word)],
  ZREM: [key, many(word)],
  ZSCORE: [key, word],
  ZMSCORE: [key, many(word)],
  ZINCRBY: [key, score, word],
  ZCARD: [key],
  ZRANK: [key, word],
  ZREVRANK: [key, word],
  ZPOPMIN: [key, some(whole)],
  ZPOPMAX: [key, some(whole)],
  ZRANGE: [key, fc.oneof(small, bound, lex), fc.oneof(small, bound, lex), range],
  ZREVRANGE: [key, small, small, range],
  ZCOUNT: [key, bound, bound],
  ZLEXCOUNT: [lexKey, lex, lex],
  ZRANGEBYSCORE: [key, bound, bound, range],
  ZREVRANGEBYSCORE: [key, bound, bound, range],
  ZRANGEBYLEX: [lexKey, lex, lex, range],
  ZREVRANGEBYLEX: [lexKey, lex, lex, range],
  ZREMRANGEBYRANK: [key, small, small],
  ZREMRANGEBYSCORE: [key, bound, bound],
  ZREMRANGEBYLEX: [lexKey, lex, lex],
  "ZADD/lex": [lexKey, word1("0"), word],
  "ZRANGE/lex": [lexKey, lex, lex, word1("BYLEX"), range],
  ZSCAN: [key, word1("0", "x"), options(pair("COUNT", small))],
  "SADD/lone": [loneKey, word1("m")],
  "SET/lone": [loneKey, word],
  "DEL/lone": [loneKey],
  "HSET/lone": [loneKey, word1("m"), value],
  "ZADD/lone": [loneKey, score, word1("m")],
  SPOP: [loneKey, some(chosen)],
  SRANDMEMBER: [loneKey, some(chosen)],
  HRANDFIELD: [loneKey, some(chosen)],
  "HRANDFIELD/values": [loneKey, chosen, word1("WITHVALUES", "withvalues", "x")],
  ZRANDMEMBER: [loneKey, some(chosen)],
  "ZRANDMEMBER/scores": [loneKey, chosen, word1("WITHSCORES", "withscores", "x")],
  PING: [some(word)],
  ECHO: [word],
  HELLO: [
    some(word1("2", "3", "2", "3", "4", "-1", "x", "")),
    options(
      pair("SETNAME", word1("name", "a b")),
      fc.tuple(word1("AUTH"), word1("default", "x"), word1("y")) as unknown as fc.Arbitrary<
        string[]
      >,
      word1("x"),
    ),
  ],
  "CLIENT/get": [word1("GETNAME", "getname")],
  "CLIENT/set": [word1("SETNAME"), word1("", "me", "a b")],
  "CONFIG/get": [word1("GET"), word1("save", "nosuch", "SAVE", "databas*", "Data?ases")],
  "COMMAND/docs": [word1("DOCS"), many(word1("nosuch"))],
  SELECT: [fc.constantFrom("0", "0", "3", "16", "-1", "x")],
  FLUSHDB: [options(word1("ASYNC", "SYNC", "x"))],
  KEYS: [pattern],
  AUTH: [many(word1("default", "x"))],
  RANDOMWORD: [many(word)],
  OBJECTX: [],
};

export type RandomCommand = readonly string[];

const rightCommand: fc.Arbitrary<RandomCommand> = fc
  .constantFrom(...Object.keys(ARGUMENTS))
  .chain((name) =>
    fc
      .tuple(...(ARGUMENTS[name] as fc.Arbitrary<string | string[]>[]))
      .map((parts) => [name.split("/")[0] ?? "", ...parts.flat()]),
  );

/** One in ten lacks or has an argument too many. */
export const randomCommand: fc.Arbitrary<RandomCommand> = fc.oneof(
  { weight: 9, arbitrary: rightCommand },
  {
    weight: 1,
    arbitrary: fc
      .tuple(rightCommand, value)
      .filter(([command]) => !isExact(command))
      .map(([command, extra]) => withExtra(command, extra)),
  },
);

/** Its reply, or what it leaves behind, is only known with the arguments that it has. */
function isExact([name, first = ""]: RandomCommand): boolean {
  return name === "COMMAND" || (name === "SADD" && LONE_KEYS.includes(first));
}

function withExtra(command: RandomCommand, extra: string): RandomCommand {
  if (extra.length % 2 === 1) return [...command, extra];
  return command.length > 1 ? command.filter((_, index) => index < command.length - 1) : command;
}

function latin1(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}

/** Commands whose reply is an array or a set in no particular order. */
export const UNORDERED: ReadonlySet<string> = new Set([
  "SMEMBERS",
  "KEYS",
  "SINTER",
  "SUNION",
  "SDIFF",
]);
