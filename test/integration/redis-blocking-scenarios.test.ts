/** Clients that wait for others, straight and through the proxy: everyone receives the same bytes. */
import { afterAll, beforeAll, describe, test } from "bun:test";
import { type ScenarioRig, startScenarioRig } from "../support/scenario-rig.ts";

let rig: ScenarioRig;

beforeAll(async () => {
  rig = await startScenarioRig();
});

afterAll(() => rig?.stop());

const SCENARIOS: Readonly<Record<string, string>> = {
  "one waits and another pushes": `
    a 0: BLPOP {t}q 0
    blocked 1
    b: RPUSH {t}q x y
    a <
    b: LRANGE {t}q 0 -1`,

  "what is there is taken at once": `
    b: RPUSH {t}q x y
    a: BLPOP {t}other {t}q 0
    a: BRPOP {t}q 0
    a: BLPOP {t}q 0.01`,

  "who waits longest is served first": `
    a 0: BLPOP {t}q 0
    blocked 1
    b 0: BLPOP {t}q 0
    blocked 2
    c 0: BRPOP {t}other {t}q 0
    blocked 3
    d: RPUSH {t}q 1 2 3 4
    a <
    b <
    c <
    d: LRANGE {t}q 0 -1`,

  "a client that leaves takes nothing": `
    a 0: BLPOP {t}q 0
    blocked 1
    a close
    blocked 0
    b: RPUSH {t}q x
    b: LRANGE {t}q 0 -1`,

  "a client that leaves with a reset takes nothing": `
    a 0: BLMOVE {t}q {t}r LEFT RIGHT 0
    b 0: BLPOP {t}q 0
    blocked 2
    a reset
    blocked 1
    c: RPUSH {t}q x y
    b <
    c: LRANGE {t}q 0 -1
    c: EXISTS {t}r`,

  "requests behind a blocked one wait, and are answered in order": `
    a 1: SET {t}k 1; BLPOP {t}q 0; INCR {t}k; GET {t}k; PING
    blocked 1
    b: GET {t}k
    b: RPUSH {t}q x
    a < 4
    b: GET {t}k`,

  "a wait begins when all before it is done": `
    ${Array.from({ length: 5 }, () => `a 4: RPUSH {t}q ${"x".repeat(5000)} y; DEL {t}q; BLPOP {t}q 0.001; LLEN {t}q`).join("\n")}`,

  "requests sent while blocked wait": `
    a 0: BLPOP {t}q 0
    blocked 1
    a 0: SET {t}k later
    a 0: PING
    b: GET {t}k
    b: RPUSH {t}q x
    a < 3
    b: GET {t}k`,

  "two blocking requests in a row": `
    a 0: BLPOP {t}q 0; BLPOP {t}q 0
    blocked 1
    b: RPUSH {t}q x
    a <
    blocked 1
    b: RPUSH {t}q y
    a <`,

  "a wait that ends without anything": `
    a: BLPOP {t}q 0.03
    a: BLMOVE {t}q {t}r LEFT LEFT 0.03
    a: BZPOPMIN {t}z 0.03
    a: BLMPOP 0.03 1 {t}q LEFT
    a: XREAD BLOCK 30 STREAMS {t}s $
    a: SET {t}k 1`,

  "the same in RESP3": `
    a: HELLO 3
    a: BLPOP {t}q 0.03
    a: BLMOVE {t}q {t}r LEFT LEFT 0.03
    a: BZPOPMIN {t}z 0.03
    a: BLMPOP 0.03 1 {t}q LEFT
    a: XREAD BLOCK 30 STREAMS {t}s $`,

  "every command that blocks": `
    b: SET {t}other x
    a 0: BRPOP {t}q 0
    blocked 1
    b: LPUSH {t}q 1
    a <
    a 0: BRPOPLPUSH {t}q {t}r 0
    blocked 1
    b: LPUSH {t}q 2
    a <
    a 0: BLMOVE {t}q {t}r RIGHT LEFT 0
    blocked 1
    b: LPUSH {t}q 3
    a <
    a 0: BLMPOP 0 2 {t}p {t}q LEFT COUNT 2
    blocked 1
    b: RPUSH {t}q 4 5 6
    a <
    a 0: BZPOPMIN {t}z 0
    blocked 1
    b: ZADD {t}z 1.5 m
    a <
    a 0: BZPOPMAX {t}y {t}z 0
    blocked 1
    b: ZADD {t}z 1 m 2 n
    a <
    a 0: BZMPOP 0 2 {t}w {t}x MAX COUNT 5
    blocked 1
    b: ZADD {t}x 1 m 2 n
    a <
    a 0: XREAD BLOCK 0 COUNT 1 STREAMS {t}s {t}s2 $ $
    blocked 1
    b: XADD {t}s2 1-1 f v
    a <
    b: XGROUP CREATE {t}s g $ MKSTREAM
    a 0: XREADGROUP GROUP g c BLOCK 0 STREAMS {t}s >
    blocked 1
    b: XADD {t}s 1-1 f v
    a <
    b: LRANGE {t}r 0 -1`,

  "every command that blocks, in RESP3": `
    a: HELLO 3
    a 0: BZPOPMIN {t}z 0
    blocked 1
    b: ZADD {t}z 1.5 m
    a <
    a 0: BLMPOP 0 1 {t}q LEFT
    blocked 1
    b: RPUSH {t}q 1
    a <
    a 0: BZMPOP 0 1 {t}z MIN
    blocked 1
    b: ZADD {t}z 7 m
    a <
    a 0: XREAD BLOCK 0 STREAMS {t}s $
    blocked 1
    b: XADD {t}s 1-1 f v
    a <`,

  "a key of another type wakes nobody": `
    a 0: BLPOP {t}q 0
    blocked 1
    b: SET {t}q x
    b: DEL {t}q
    b: SADD {t}q x
    b: DEL {t}q
    b: RPUSH {t}q right
    a <`,

  "a push within a transaction or a script wakes when it is done": `
    a 0: BLPOP {t}q 0
    blocked 1
    b 4: MULTI; RPUSH {t}q 1; RPUSH {t}q 2; EXEC
    a <
    a 0: BRPOP {t}p {t}q 0
    a <
    a 0: BLPOP {t}q 0
    blocked 1
    b: EVAL "return redis.call('LPUSH',KEYS[1],'s','t')" 1 {t}q
    a <`,

  "one push, and the moved element wakes the next": `
    a 0: BLMOVE {t}q {t}r LEFT RIGHT 0
    blocked 1
    b 0: BLPOP {t}r 0
    blocked 2
    c: RPUSH {t}q x
    a <
    b <`,

  "a rename, a copy and a restore wake as well": `
    a 0: BLPOP {t}q 0
    blocked 1
    b: RPUSH {t}o x
    b: RENAME {t}o {t}q
    a <
    a 0: BLPOP {t}q 0
    blocked 1
    b: RPUSH {t}o y
    b: COPY {t}o {t}q
    a <`,

  "no blocking in transactions and scripts": `
    a 5: MULTI; BLPOP {t}q 0; BRPOPLPUSH {t}q {t}r 0; XREAD BLOCK 0 STREAMS {t}s $; EXEC
    a: EVAL "return redis.call('BLPOP',KEYS[1],0)" 1 {t}q
    a: EVAL "return redis.pcall('BLMOVE',KEYS[1],KEYS[1],'LEFT','LEFT',0)" 1 {t}q`,

  "errors come at once": `
    b: SET {t}k x
    a: BLPOP {t}k 0
    a: BLPOP {t}q -1
    a: BLPOP {t}q x
    a: BLPOP 0
    a: BLPOP
    a: BLMOVE {t}q {t}r UP DOWN 0
    a: BLMPOP 0 0 {t}q LEFT
    a: BZPOPMIN {t}k 0
    a: XREADGROUP GROUP none c BLOCK 0 STREAMS {t}s >
    a: XREAD BLOCK x STREAMS {t}s $`,

  "a group that goes away ends the wait": `
    b: XGROUP CREATE {t}s g $ MKSTREAM
    a 0: XREADGROUP GROUP g c BLOCK 0 STREAMS {t}s >
    blocked 1
    b: DEL {t}s
    a <`,

  "in a database of its own": `
    a: SELECT 3
    a 0: BLPOP {t}q 0
    blocked 1
    b: RPUSH {t}q zero
    b: SELECT 3
    b: RPUSH {t}q three
    a <
    a: LPOP {t}q
    b: SELECT 0
    b: LPOP {t}q`,

  "another may end the wait": `
    a id
    a 0: BLPOP {t}q 0
    blocked 1
    b: CLIENT UNBLOCK $a
    a <
    a 0: BLPOP {t}q 0
    blocked 1
    b: CLIENT UNBLOCK $a ERROR
    a <
    b: CLIENT UNBLOCK $a
    b: CLIENT UNBLOCK 987654321
    b: CLIENT UNBLOCK x
    a: GET {t}k`,

  "many wait at once, and nobody gets another's": `
    a 0: BLPOP {t}a 0
    b 0: BLPOP {t}b 0
    c 0: BLPOP {t}c 0
    d 0: BLPOP {t}d 0
    e 0: BLPOP {t}e 0
    blocked 5
    x 5: RPUSH {t}e 5; RPUSH {t}d 4; RPUSH {t}c 3; RPUSH {t}b 2; RPUSH {t}a 1
    a <
    b <
    c <
    d <
    e <`,

  "large elements": `
    a 0: BLPOP {t}q 0
    blocked 1
    b: EVAL "return redis.call('RPUSH',KEYS[1],string.rep('x',300000))" 1 {t}q
    a <`,

  "after a wait the connection is one as any other": `
    a: BLPOP {t}q 0.01
    a 3: SET {t}k 1; GET {t}k; PING
    a 0: BLPOP {t}q 0
    blocked 1
    b: RPUSH {t}q x
    a <
    a 3: SET {t}k 2; GET {t}k; PING`,

  "what is watched stays watched through a wait": `
    a: WATCH {t}k
    a 0: BLPOP {t}q 0
    blocked 1
    b: RPUSH {t}q x
    a <
    a 4: MULTI; SET {t}k mine; GET {t}k; EXEC
    a: WATCH {t}k
    a: BLPOP {t}q 0.02
    a 0: BLPOP {t}q 0
    blocked 1
    b 2: SET {t}k another's; RPUSH {t}q y
    a <
    a 3: MULTI; GET {t}k; EXEC`,

  "a client that said goodbye": `
    a 0: BLPOP {t}q 0; QUIT
    blocked 1
    b: RPUSH {t}q x
    a ends
    b: LLEN {t}q`,

  "an empty wait for replicas": `
    a: WAIT 0 0
    a: WAIT 0 10
    a: WAIT x 0`,
};

describe("waiting clients", () => {
  test.each(Object.entries(SCENARIOS))(
    "%s",
    async (_, scenario) => {
      await rig.check(scenario);
    },
    60_000,
  );
});
