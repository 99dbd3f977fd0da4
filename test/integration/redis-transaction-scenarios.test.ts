/** Transactions of several clients, straight and through the proxy: everyone receives the same bytes. */
import { afterAll, beforeAll, describe, test } from "bun:test";
import { type ScenarioRig, startScenarioRig } from "../support/scenario-rig.ts";

let rig: ScenarioRig;

beforeAll(async () => {
  rig = await startScenarioRig();
});

afterAll(() => rig?.stop());

/** A transaction of fifty commands, sent in one piece. */
const LONG = Array.from({ length: 50 }, (_, at) => `SET {t}k${at % 7} ${at}`).join("; ");

const SCENARIOS: Readonly<Record<string, string>> = {
  "all at once": `
    a: MULTI
    a: SET {t}a 1
    b: GET {t}a
    a: INCR {t}a
    a: GET {t}a
    b: GET {t}a
    a: EXEC
    b: GET {t}a`,

  "in one piece": `
    a 5: MULTI; SET {t}a 1; LPUSH {t}l x y; LRANGE {t}l 0 -1; EXEC
    a 4: MULTI; INCR {t}a; DISCARD; GET {t}a
    a 2: MULTI; EXEC
    a: PING`,

  "a long one": `a 52: MULTI; ${LONG}; EXEC`,

  "somebody else changed what is watched": `
    a: WATCH {t}a
    b: SET {t}a theirs
    a 3: MULTI; SET {t}a mine; EXEC
    b: GET {t}a
    a 3: MULTI; SET {t}a mine; EXEC
    b: GET {t}a`,

  "the same in RESP3": `
    a: HELLO 3
    a: WATCH {t}a
    b: SET {t}a theirs
    a 4: MULTI; SET {t}a mine; HSET {t}h f v; EXEC
    a 5: MULTI; HSET {t}h f v; HGETALL {t}h; ZADD {t}z 1.5 m; EXEC
    a 4: MULTI; HGETALL {t}h; ZSCORE {t}z m; EXEC`,

  "nobody changed it": `
    a: SET {t}a 1
    a: WATCH {t}a {t}b
    b: GET {t}a
    b: SET {t}c 1
    a 3: MULTI; SET {t}a mine; EXEC
    b: GET {t}a`,

  "changed between MULTI and EXEC": `
    a: WATCH {t}a
    a: MULTI
    a: SET {t}a mine
    b: SET {t}a theirs
    a: EXEC
    b: GET {t}a`,

  "changed in every way": `
    a: SET {t}a 1
    a: WATCH {t}a
    b: EXPIRE {t}a 1000
    a 3: MULTI; GET {t}a; EXEC
    a: WATCH {t}a
    b: DEL {t}a
    a 3: MULTI; PING; EXEC
    a: WATCH {t}a
    b: RENAME {t}none {t}a
    a 3: MULTI; PING; EXEC
    a: WATCH {t}new
    b: RPUSH {t}new 1
    a 3: MULTI; PING; EXEC
    a: WATCH {t}new
    b: RPOP {t}new
    a 3: MULTI; PING; EXEC
    a: WATCH {t}a
    b 3: MULTI; SET {t}a 5; EXEC
    a 3: MULTI; PING; EXEC
    a: WATCH {t}a
    b: EVAL "return redis.call('SET',KEYS[1],'x')" 1 {t}a
    a 3: MULTI; PING; EXEC`,

  "by the watcher itself": `
    a: WATCH {t}a
    a: SET {t}a 1
    a 3: MULTI; GET {t}a; EXEC
    a: WATCH {t}a
    a: GET {t}a
    a 3: MULTI; GET {t}a; EXEC`,

  "UNWATCH and DISCARD forget what is watched": `
    a: WATCH {t}a
    b: SET {t}a 1
    a: UNWATCH
    a 3: MULTI; GET {t}a; EXEC
    a: WATCH {t}a
    b: SET {t}a 2
    a 2: MULTI; DISCARD
    a 3: MULTI; GET {t}a; EXEC`,

  "EXEC that failed forgets it as well": `
    a: WATCH {t}a
    b: SET {t}a 1
    a 3: MULTI; NOSUCHCOMMAND; EXEC
    a 3: MULTI; GET {t}a; EXEC`,

  "watching more and more": `
    a: WATCH {t}a
    a: WATCH {t}b {t}a
    a: GET {t}a
    b: SET {t}b 1
    a: WATCH {t}c
    a 3: MULTI; GET {t}a; EXEC`,

  "two watch the same key, one wins": `
    a: WATCH {t}a
    b: WATCH {t}a
    a 2: MULTI; INCR {t}a
    b 2: MULTI; INCR {t}a
    b: EXEC
    a: EXEC
    c: GET {t}a`,

  "errors while queueing": `
    a: MULTI
    a: NOSUCHCOMMAND x
    a: SET {t}a
    a: SET {t}a 1
    a: EXEC
    a: GET {t}a
    a 3: MULTI; GET; DISCARD
    a: EXEC`,

  "errors while executing": `
    a 6: MULTI; SET {t}a x; INCR {t}a; LPUSH {t}a y; GET {t}a; EXEC
    a: GET {t}a`,

  "MULTI and WATCH within MULTI": `
    a: MULTI
    a: MULTI
    a: WATCH {t}a
    a: SET {t}a 1
    a: UNWATCH
    a: EXEC
    a: GET {t}a`,

  "EXEC and DISCARD without MULTI": `
    a: EXEC
    a: DISCARD
    a: UNWATCH
    a: EXEC extra
    a: MULTI extra
    a: WATCH`,

  "a client that leaves has changed nothing": `
    a 2: MULTI; SET {t}a 1
    a close
    b: GET {t}a
    c 2: MULTI; SET {t}a 1
    c reset
    b: GET {t}a
    d: WATCH {t}a
    d close
    b: SET {t}a 2
    b 3: MULTI; GET {t}a; EXEC`,

  "QUIT in a transaction": `
    a 2: MULTI; SET {t}a 1
    a 0: QUIT
    a ends
    b: GET {t}a`,

  "RESET in a transaction": `
    a: WATCH {t}a
    a 2: MULTI; SET {t}a 1
    a: RESET
    a: EXEC
    b: SET {t}a 2
    a 3: MULTI; GET {t}a; EXEC`,

  databases: `
    a: SELECT 1
    a: WATCH {t}a
    b: SET {t}a zero
    a 3: MULTI; SET {t}a one; EXEC
    b: GET {t}a
    a 5: MULTI; SELECT 2; SET {t}a two; SELECT 0; EXEC
    a: GET {t}a
    a: SELECT 2
    a: GET {t}a
    a 3: MULTI; SELECT 0; DISCARD
    a: GET {t}a
    a 3: MULTI; SELECT 1; EXEC
    a: GET {t}a
    a: SELECT 1
    a: WATCH {t}a
    b: SELECT 1
    b: SET {t}a x
    a 2: MULTI; EXEC`,

  "everything is flushed": `
    a: SET {t}a 1
    a: WATCH {t}a
    b: FLUSHALL
    a 3: MULTI; GET {t}a; EXEC`,

  "scripts, and waiting that does not wait": `
    a 5: MULTI; EVAL "return {KEYS[1],ARGV[1]}" 1 {t}a x; EVAL "return redis.call('NOPE')" 1 {t}a; BLPOP {t}q 0; EXEC
    a 3: MULTI; EVALSHA 0000000000000000000000000000000000000000 1 {t}a; EXEC
    a: PING`,

  "many after each other on the same connection": `
    a 9: MULTI; INCR {t}n; EXEC; MULTI; INCR {t}n; EXEC; MULTI; INCR {t}n; EXEC
    b 9: MULTI; INCR {t}n; EXEC; MULTI; INCR {t}n; DISCARD; MULTI; INCR {t}n; EXEC
    a 6: GET {t}n; MULTI; GET {t}n; EXEC; GET {t}n; PING`,

  "large values": `
    a: EVAL "return redis.call('SET',KEYS[1],string.rep('x',400000))" 1 {t}big
    a 4: MULTI; GET {t}big; GET {t}big; EXEC
    a: WATCH {t}big
    b: APPEND {t}big y
    a 3: MULTI; GET {t}big; EXEC`,

  "a name that a client has stays": `
    a: CLIENT SETNAME one
    a: WATCH {t}a
    a 3: MULTI; CLIENT GETNAME; EXEC
    a: CLIENT GETNAME
    b: CLIENT GETNAME
    b 2: MULTI; EXEC
    b: CLIENT GETNAME`,

  "a protocol error ends it": `
    a 2: MULTI; SET {t}a 1
    a raw 0: "*1\\r\\n$x\\r\\n"
    a ends
    b: GET {t}a`,
};

describe("transactions", () => {
  test.each(Object.entries(SCENARIOS))(
    "%s",
    async (_, scenario) => {
      await rig.check(scenario);
    },
    60_000,
  );
});
