/**
 * What random Redis scripts are made of: for each family its commands and the kinds of their arguments.
 *
 * Lower case words are kinds (see argument-kinds.ts), all else is literal. `key` is any key of the script, `same` one
 * whose tag all `same` of the command share, so that they are on one server; `x+` is one or more.
 *
 * Left out, because two servers answer differently: what takes a random member, what depends on a time that passes
 * meanwhile, and what would use up memory or stop the server.
 */

const TEXT = {
  strings: `
APPEND key value | DECR key | DECRBY key int | GET key | GETDEL key | GETEX key | GETEX key PERSIST | GETEX key PXAT 9999999999000 | GETRANGE key int int
GETSET key value | INCR key | INCRBY key int | INCRBYFLOAT key float | PSETEX key 100000 value | SET key value
SET key value NX | SET key value XX GET | SET key value KEEPTTL | SET key value EX 1000 | SET key value PXAT 9999999999000 | SET key value BAD
SET key value EX int | SETEX key 1000 value | SETEX key int value | SETNX key value | SETRANGE key offset value | STRLEN key | SUBSTR key int int
LCS same same | LCS same same LEN | LCS same same IDX MINMATCHLEN 1 | MSETNX samepair+ | MGET same+`,
  "several keys":
    "MGET key+ | MSET pair+ | DEL key+ | UNLINK key+ | EXISTS key+ | TOUCH key+ | MGET key | DEL key | MSET key value key",
  keys: `
EXPIREAT key 9999999999 | PEXPIREAT key 9999999999000 | PERSIST key | TYPE key
EXPIREAT key 1 | EXPIRE key -1 | PEXPIRE key 0 | EXPIRE key 1000 | EXPIRE key int XX | EXPIREAT key 9999999998 GT | EXPIREAT key 9999999997 LT
EXPIREAT key 9999999999 NX | EXPIREAT key 9999999999 NX XX | EXPIRETIME key | PEXPIRETIME key | TTL key | PTTL key
COPY same same | COPY same same REPLACE | RENAME same same | RENAMENX same same | OBJECT ENCODING key | OBJECT REFCOUNT key | OBJECT IDLETIME key
OBJECT FREQ key | OBJECT BAD key | MEMORY USAGE key | DEL same+ | RESTORE key 0 value | RESTORE key 0 dumped REPLACE
RESTORE key 0 dumped | SORT key | SORT key ALPHA DESC LIMIT 0 3 | SORT_RO key ALPHA | SORT key BY nosort GET # | SORT same STORE same`,
  bitmaps: `
GETBIT key offset | SETBIT key offset bit | BITCOUNT key | BITCOUNT key int int | BITCOUNT key int int BIT | BITPOS key bit | BITPOS key bit int
BITPOS key bit int int BYTE | BITFIELD key INCRBY u5 nat int GET i8 0 | BITFIELD key OVERFLOW FAIL INCRBY i8 #1 100 | BITFIELD key SET u64 0 1
BITFIELD_RO key GET u4 0 | BITFIELD_RO key SET u4 0 1 | BITOP OR same same same | BITOP NOT same same | BITOP NOT same same same | BITOP AND same same same`,
  hashes: `
HSET key field value | HSET key field value field value | HSET key field | HGET key field | HMGET key field+ | HMSET key field value
HDEL key field+ | HEXISTS key field | HGETALL key | HKEYS key | HVALS key | HLEN key | HSTRLEN key field | HSETNX key field value
HINCRBY key field int | HINCRBYFLOAT key field float | HRANDFIELD key 100 | HRANDFIELD key 100 WITHVALUES | HRANDFIELD key 0`,
  lists: `
LPUSH key value+ | RPUSH key value+ | LPUSHX key value | RPUSHX key value | LPOP key | LPOP key int | RPOP key | RPOP key nat
LLEN key | LINDEX key int | LRANGE key int int | LREM key int value | LSET key int value | LTRIM key int int
LINSERT key BEFORE value value | LPOS key value | LPOS key value RANK int COUNT int | RPOPLPUSH same same | LMOVE same same LEFT RIGHT
LMOVE same same UP DOWN | LMPOP 1 same LEFT | LMPOP 2 same same RIGHT COUNT nat | LMPOP int same LEFT`,
  sets: `
SADD key member+ | SREM key member+ | SISMEMBER key member | SMISMEMBER key member+ | SMEMBERS key | SCARD key
SMOVE same same member | SINTER same+ | SUNION same+ | SDIFF same+ | SINTERSTORE same same+ | SUNIONSTORE same same+
SDIFFSTORE same same+ | SINTERCARD 2 same same | SINTERCARD 2 same same LIMIT int | SRANDMEMBER key 100 | SPOP key 100 | SPOP key 0`,
  zsets: `
ZADD key score member | ZADD key score member score member | ZADD key GT CH score member | ZADD key INCR score member | ZADD key NX XX score member
ZREM key member+ | ZSCORE key member | ZMSCORE key member+ | ZINCRBY key score member | ZCARD key | ZRANK key member
ZREVRANK key member | ZRANGE key int int | ZRANGE key int int REV WITHSCORES | ZREVRANGE key int int | ZRANGE key score score BYSCORE LIMIT 0 3
ZRANGEBYSCORE key -inf +inf WITHSCORES | ZRANGEBYSCORE key score score LIMIT 0 2 | ZREVRANGEBYSCORE key +inf score
ZRANGEBYLEX key - + | ZREVRANGEBYLEX key + [b | ZCOUNT key score score | ZLEXCOUNT key - [c | ZPOPMIN key | ZPOPMAX key nat
ZREMRANGEBYRANK key int int | ZREMRANGEBYSCORE key score score | ZREMRANGEBYLEX key [a [b | ZMPOP 1 same MIN | ZMPOP 2 same same MAX COUNT nat
ZUNIONSTORE same 2 same same | ZINTERSTORE same 2 same same WEIGHTS 2 3 | ZDIFFSTORE same 1 same | ZUNION 2 same same
ZINTER 2 same same WITHSCORES | ZDIFF 2 same same | ZRANGESTORE same same 0 -1 | ZUNIONSTORE same nat same | ZINTERCARD 1 same
ZRANDMEMBER key 100 WITHSCORES | ZRANDMEMBER key 0 | ZUNION 2 same same AGGREGATE MAX WITHSCORES`,
  hyperloglogs: "PFADD key value+ | PFCOUNT same+ | PFMERGE same same+ | PFADD key",
  geo: `
GEOADD key 13.361389 38.115556 member | GEOADD key NX CH 15.1 37.5 member | GEOADD key 200 100 member | GEODIST key member member km
GEOHASH key member+ | GEOPOS key member+ | GEORADIUS key 15 37 200 km | GEORADIUS key 15 37 200 km WITHCOORD WITHDIST COUNT 2 ASC | GEORADIUS same 15 37 200 km STORE same
GEORADIUSBYMEMBER key member 100 km ASC | GEORADIUS_RO key 15 37 200 km DESC | GEOSEARCH key FROMLONLAT 15 37 BYRADIUS 200 km ASC WITHCOORD
GEOSEARCHSTORE same same FROMLONLAT 15 37 BYBOX 400 400 km`,
  streams: `
XADD key id field value | XADD key NOMKSTREAM id field value | XADD key MAXLEN 3 id field value field value | XADD key id field | XLEN key | XRANGE key - +
XRANGE key - + COUNT int | XRANGE key id (id | XREVRANGE key + - COUNT 2 | XDEL key id+ | XTRIM key MAXLEN nat | XTRIM key MINID id | XSETID key 9-9
XREAD STREAMS same 0 | XREAD COUNT 2 STREAMS same same 0 1-1 | XREAD STREAMS same same 0 | XREAD STREAMS same $ | XGROUP CREATE key group 0 MKSTREAM
XGROUP CREATE key group $ | XGROUP SETID key group id | XGROUP DESTROY key group | XGROUP CREATECONSUMER key group consumer | XGROUP DELCONSUMER key group consumer
XREADGROUP GROUP group consumer COUNT 2 STREAMS same > | XREADGROUP GROUP group consumer STREAMS same 0 | XREADGROUP GROUP group consumer NOACK STREAMS same same > >
XACK key group id+ | XPENDING key group | XPENDING key group - + 10 | XPENDING key group - + 10 consumer | XCLAIM key group consumer 0 id+ JUSTID | XCLAIM key group consumer 0 id+
XAUTOCLAIM key group consumer 0 0 JUSTID | XAUTOCLAIM key group consumer 0 0 COUNT 2 | XINFO STREAM key | XINFO GROUPS key | XINFO CONSUMERS key group | XINFO BAD key | XGROUP BAD key`,
  scripts: `
EVAL script 1 key value | EVAL script 2 same same value | EVAL_RO script 1 key value | EVAL pure 1 key value | EVAL script -1 key | EVAL script 9 key
EVALSHA 0000000000000000000000000000000000000000 1 key | EVALSHA bad 1 key`,
  "queued scripts":
    "EVAL queued 1 key value | EVAL queued 2 same same value | EVAL_RO queued 1 key value",
  "script hashes":
    "EVALSHA_RO sha 1 key value | EVALSHA sha 1 key value | EVALSHA sha 2 same same value | EVALSHA SHA 1 key",
  "keyless scripts": `
EVAL script int same | EVAL pure 0 | EVAL pure 0 value | EVAL_RO pure 0 | EVAL pure int | EVALSHA bad 0 | EVALSHA sha 0 value`,
  "script loading":
    "SCRIPT LOAD script | SCRIPT LOAD pure | SCRIPT LOAD broken | SCRIPT EXISTS sha+ | SCRIPT EXISTS | SCRIPT FLUSH | SCRIPT FLUSH SYNC | SCRIPT FLUSH BAD | SCRIPT KILL | SCRIPT BAD",
  functions: `
FUNCTION LOAD library | FUNCTION LOAD REPLACE library | FUNCTION LOAD brokenlibrary | FUNCTION DELETE libraryname | FUNCTION FLUSH | FUNCTION FLUSH BAD | FUNCTION LIST | FUNCTION LIST LIBRARYNAME libraryname WITHCODE
FCALL function 1 key value | FCALL function 2 same same | FCALL function 0 | FCALL_RO function 1 key value | FCALL none 1 key | FCALL function int key | FUNCTION KILL | FUNCTION BAD`,
  connection: "PING | PING field | ECHO field | ECHO | PING a b",
  auth: "AUTH wrong | AUTH default wrong | AUTH nobody wrong | AUTH a b c",
  "client names":
    "CLIENT SETNAME name | CLIENT GETNAME | CLIENT ID | CLIENT BAD | CLIENT SETNAME | CLIENT",
  select: "SELECT db | SELECT 0 | SELECT 1",
  "other databases": "MOVE key db | COPY same same DB db | COPY same same DB db REPLACE",
  swaps: "SWAPDB 0 1 | SWAPDB db db",
  hello:
    "HELLO 2 | HELLO 3 | HELLO | HELLO 4 | HELLO x | HELLO 3 SETNAME name | HELLO 2 AUTH default x | HELLO 3 AUTH nobody x | HELLO 3 BAD",
  reset: "RESET | RESET extra",
  keyspace:
    "DBSIZE | KEYS * | KEYS pattern | RANDOMKEY | FLUSHDB | FLUSHALL | FLUSHDB ASYNC | FLUSHALL SYNC | FLUSHDB BAD | KEYS | DBSIZE extra",
  scan: "SCAN 0 | SCAN 0 COUNT nat | SCAN 0 MATCH pattern COUNT 3 | SCAN 0 TYPE string COUNT 2 | SCAN x | SCAN 0 BAD | SCAN 0 COUNT 0",
  "key scans":
    "HSCAN key 0 | HSCAN key 0 COUNT 3 | SSCAN key 0 MATCH pattern | ZSCAN key 0 | SSCAN key 0 COUNT 2 | ZSCAN key x | HSCAN key 0 BAD",
  blocking: `
BLPOP same 0.001 | BLPOP same same 0.001 | BRPOP same same 0.001 | BRPOPLPUSH same same 0.001 | BLMOVE same same LEFT RIGHT 0.001 | BLMPOP 0.001 1 same LEFT
BLMPOP 0.001 2 same same RIGHT COUNT 2 | BZPOPMIN same 0.001 | BZPOPMAX same same 0.001 | BZMPOP 0.001 1 same MIN | BLPOP same -1 | BLPOP same x | BLPOP same | BLPOP same inf
XREAD BLOCK 1 STREAMS same $ | XREAD BLOCK 1 COUNT 1 STREAMS same 0 | XREAD BLOCK -1 STREAMS same 0 | XREADGROUP GROUP group consumer BLOCK 1 STREAMS same >`,
  publishing:
    "PUBLISH name value | PUBSUB CHANNELS | PUBSUB NUMSUB name name | PUBSUB NUMPAT | PUBLISH name | PUBSUB BAD | SPUBLISH name value | PUBSUB SHARDNUMSUB name",
  watching: "WATCH same | WATCH same same | UNWATCH | WATCH | UNWATCH extra",
  help: "OBJECT HELP | SCRIPT HELP | FUNCTION HELP | XGROUP HELP | XINFO HELP | PUBSUB HELP | MEMORY HELP",
  administration:
    "ECHO value | TIME | LASTSAVE | WAIT 0 0 | ACL WHOAMI | CLUSTER INFO | ASKING | ROLE | READONLY",
} as const;

/** Families of single commands. */
export type CommandFamily = keyof typeof TEXT;

export const FAMILIES: readonly CommandFamily[] = Object.keys(TEXT) as CommandFamily[];

/** Each template as its words. */
export const TEMPLATES: Readonly<Record<CommandFamily, readonly (readonly string[])[]>> =
  Object.fromEntries(
    Object.entries(TEXT).map(([family, text]) => [
      family,
      text
        .split(/[|\n]/)
        .map((template) => template.trim())
        .filter((template) => template !== "")
        .map((template) => template.split(" ")),
    ]),
  ) as unknown as Record<CommandFamily, string[][]>;
