/** Random arguments of Redis commands, by their kind. Text stands for bytes (latin1), so that it can be read. */
import { createHash } from "node:crypto";
import fc from "fast-check";

/** What the arguments of one command have in common. */
export interface Surroundings {
  /** Hash tags of the script; its keys all have one of them. */
  readonly tags: readonly string[];
  /** The tag of the command's `same` keys. */
  readonly tag: string;
  /** Beginning of most keys' names, so that commands of a family meet keys of their type. */
  readonly family: string;
}

const integer = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: -3, max: 5 }).map(String) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      ..." |x|-0|+1|9223372036854775807|-9223372036854775808|9223372036854775808|01|1.0|1e3".split(
        "|",
      ),
    ),
  },
);

const text: fc.Arbitrary<string> = fc.oneof(
  { weight: 7, arbitrary: fc.constantFrom("a", "b", "c", "1", "2", "10", "3.5") },
  { weight: 2, arbitrary: fc.uint8Array({ maxLength: 24 }).map(latin1) },
  { weight: 2, arbitrary: fc.constantFrom("", "\r\n", "$3\r\n", "+OK\r\n*1\r\n$-1\r\n", "\0") },
  { weight: 1, arbitrary: fc.integer({ min: 100, max: 5000 }).map((size) => "v".repeat(size)) },
);

/** Large enough that nothing passes it on in one piece. */
const large = fc.integer({ min: 60_000, max: 200_000 }).map((size) => "L".repeat(size));

/** Scripts that use their keys and arguments. */
const SCRIPTS = [
  "return {KEYS[1],ARGV[1]}",
  "return redis.call('SET',KEYS[1],ARGV[1])",
  "return redis.call('GET',KEYS[1])",
  "return redis.call('INCR',KEYS[1])",
  "return redis.call('RPUSH',KEYS[1],ARGV[1],KEYS[2] or 'x')",
  "return redis.call('LRANGE',KEYS[1],0,-1)",
  "return redis.pcall('HGET',KEYS[1],'a')",
  "redis.call('SET',KEYS[1],'1') return redis.call('NOSUCHCOMMAND')",
  "redis.setresp(3) redis.call('DEL',KEYS[1]) redis.call('HSET',KEYS[1],'a','b') return redis.call('HGETALL',KEYS[1])",
  "return #KEYS..':'..#ARGV",
] as const;

/** Scripts for which keys make no difference. */
const PURE = [
  "return 1",
  "return nil",
  "return false",
  "return true",
  "return {1,2,{3,'four',{5}},nil,6}",
  "return 3.99",
  "return {ok='FINE'}",
  "return {err='MY error'}",
  "return redis.error_reply('ERR mine')",
  "return redis.status_reply('PONG')",
  "return ARGV",
  "return redis.call('PING')",
  "return redis.sha1hex('')",
  "return {double=3.5}",
  "return {map={a=1}}",
  "redis.setresp(3) return {map={a=1}}",
  "return redis.call('BLPOP','x',0)",
  "return redis.call()",
  "error('boom')",
  "return redis.call('MULTI')",
  "return redis.call('SUBSCRIBE','x')",
  "#!lua\nreturn 2",
  "#!lua flags=no-writes\nreturn 3",
  "#!lua flags=bad\nreturn 3",
] as const;

const BROKEN = ["return (", "#!lua flags=bad\nreturn 1", "#!js\n1", ""] as const;

const LIBRARIES = [
  "#!lua name=lib\nredis.register_function('echo',function(keys,args) return {keys[1] or '-',args[1] or '-'} end)",
  "#!lua name=lib\nredis.register_function('put',function(keys,args) return redis.call('SET',keys[1],args[1] or '') end)\nredis.register_function{function_name='get',callback=function(keys) return redis.call('GET',keys[1]) end,flags={'no-writes'}}",
  "#!lua name=other\nredis.register_function('echo',function() return 'other' end)",
] as const;

const BROKEN_LIBRARIES = [
  "",
  "return 1",
  "#!lua\nreturn 1",
  "#!lua name=lib",
  "#!lua name=bad-name\nredis.register_function('f',function() end)",
  "#!lua name=lib\nnonsense(",
  "#!js name=lib\n1",
] as const;

const simple = {
  value: fc.oneof({ weight: 40, arbitrary: text }, { weight: 1, arbitrary: large }),
  field: text,
  member: text,
  int: integer,
  nat: fc.integer({ min: 0, max: 40 }).map(String),
  bit: fc.constantFrom("0", "1", "2"),
  /** Of a bit or byte: none that would fill the memory. */
  offset: fc.oneof(
    { weight: 8, arbitrary: fc.integer({ min: 0, max: 40 }).map(String) },
    { weight: 1, arbitrary: fc.constantFrom("-1", "4294967296", "9223372036854775807", "x") },
  ),
  float: fc.constantFrom("0.5", "-1.25", "3", "1e2", "nan", "inf", "x", "1e-7"),
  score: fc.constantFrom("0", "1", "-1", "2.5", "(1", "inf", "-inf", "nan", "x", "1e300"),
  id: fc.constantFrom(
    "1-1",
    "1-2",
    "2-*",
    "3-1",
    "4",
    "0-0",
    "5-9",
    "x",
    "-",
    "18446744073709551615-1",
  ),
  group: fc.constantFrom("g", "g", "g", "h"),
  consumer: fc.constantFrom("c", "d"),
  db: fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom("0", "1", "2", "15") },
    { weight: 1, arbitrary: fc.constantFrom("16", "-1", "x", "", "01", "99999999999999999999") },
  ),
  name: fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom("n", "m", "n.1") },
    { weight: 1, arbitrary: fc.constantFrom("", "a b", "\n", "\xff") },
  ),
  pattern: fc.constantFrom("*", "*1", "?", "{*}strings[12]", "[^a]*", "\\*", "", "{red}*", "**1*"),
  script: fc.constantFrom(...SCRIPTS),
  /** The same with other hashes. */
  queued: fc.constantFrom(...SCRIPTS).map((script) => `${script} --`),
  pure: fc.constantFrom(...PURE),
  broken: fc.constantFrom(...BROKEN),
  sha: fc.constantFrom(...SCRIPTS, ...PURE.filter((_, at) => at < 4)).map(sha1),
  SHA: fc.constantFrom(...SCRIPTS).map((script) => sha1(script).toUpperCase()),
  library: fc.constantFrom(...LIBRARIES),
  brokenlibrary: fc.constantFrom(...BROKEN_LIBRARIES),
  libraryname: fc.constantFrom("lib", "other", "none"),
  function: fc.constantFrom("echo", "put", "get"),
  /** Of strings: a whole one, and one whose checksum is wrong. */
  dumped: fc.constantFrom(
    "\x00\x01a\n\x00\xbf\xfe\xef\x9b\x8f6}\xb4",
    "\x00\x01a\n\x00\xbf\xfe\xef\x9b\x8f6}\xb5",
  ),
} satisfies Record<string, fc.Arbitrary<string>>;

const KINDS: Readonly<Record<string, fc.Arbitrary<string>>> = simple;

/** Any text that may stand for a value. */
export const anyText: fc.Arbitrary<string> = text;

/** The arguments that stand for one word of a template. */
export function argumentsOf(word: string, around: Surroundings): fc.Arbitrary<string[]> {
  if (word.length > 1 && word.endsWith("+")) {
    const one = argumentsOf(word.substring(0, word.length - 1), around);
    return fc.array(one, { minLength: 1, maxLength: 6 }).map((parts) => parts.flat());
  }
  if (word.startsWith("(") && word.length > 1) {
    return argumentsOf(word.substring(1), around).map((parts) => parts.map((part) => `(${part}`));
  }
  switch (word) {
    case "pair":
      return fc.tuple(anyKey(around), simple.value);
    case "samepair":
      return fc.tuple(sameKey(around), simple.value);
    case "key":
      return anyKey(around).map((key) => [key]);
    case "same":
      return sameKey(around).map((key) => [key]);
    default:
      return (KINDS[word] ?? fc.constant(word)).map((value) => [value]);
  }
}

/** Families whose keys have a type of their own; the others use these keys. */
const TYPES: readonly string[] = [
  ..."strings lists hashes sets zsets streams geo bitmaps hyperloglogs".split(" "),
];

/** Every kind that a template may name. */
export function isKind(word: string): boolean {
  return ["pair", "samepair", "key", "same"].includes(word) || word in KINDS;
}

function anyKey(around: Surroundings): fc.Arbitrary<string> {
  return fc.constantFrom(...around.tags).chain((tag) => keyWith(tag, around.family));
}

function sameKey(around: Surroundings): fc.Arbitrary<string> {
  return keyWith(around.tag, around.family);
}

function keyWith(tag: string, family: string): fc.Arbitrary<string> {
  const own = TYPES.includes(family)
    ? fc.constantFrom(`${family}1`, `${family}2`)
    : fc.constantFrom(...TYPES.map((type) => `${type}1`));
  const others = fc.constantFrom("strings1", "lists1", "hashes2", "sets1", "zsets2", "streams1");
  const binary = fc.uint8Array({ maxLength: 8 }).map(latin1);
  const rest = fc.oneof(
    { weight: 12, arbitrary: own },
    { weight: 4, arbitrary: others },
    { weight: 1, arbitrary: binary },
  );
  return rest.map((name) => tag + name);
}

function sha1(script: string): string {
  return createHash("sha1").update(script, "latin1").digest("hex");
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("latin1");
}
