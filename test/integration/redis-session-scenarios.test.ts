/** What a connection remembers, and scripts that one client loads and others run: the same bytes for everyone. */
import { afterAll, beforeAll, describe, test } from "bun:test";
import { createHash } from "node:crypto";
import { type ScenarioRig, startScenarioRig } from "../support/scenario-rig.ts";

let rig: ScenarioRig;

beforeAll(async () => {
  rig = await startScenarioRig();
});

afterAll(() => rig?.stop());

const sha1 = (script: string): string => createHash("sha1").update(script).digest("hex");
const ONE = sha1("return 1");
const ECHO = sha1("return {KEYS[1],ARGV[1]}");
const LIBRARY = JSON.stringify(
  "#!lua name=lib\nredis.register_function('put',function(k,a) return redis.call('SET',k[1],a[1]) end)\nredis.register_function{function_name='get',callback=function(k) return redis.call('GET',k[1]) end,flags={'no-writes'}}",
);

const SCENARIOS: Readonly<Record<string, string>> = {
  "databases are each client's own": `
    a: SELECT 1
    a: SET {t}k one
    b: GET {t}k
    b: SET {t}k zero
    a: GET {t}k
    b: SELECT 1
    b: GET {t}k
    a: SELECT 0
    a: GET {t}k
    a 6: SELECT 2; SET {t}k two; SELECT 3; GET {t}k; SELECT 2; GET {t}k
    a: SELECT 16
    a: SELECT -1
    a: SELECT x
    a: GET {t}k
    a: DBSIZE
    b: DBSIZE`,

  "moving between databases": `
    a: SET {t}k zero
    a: MOVE {t}k 1
    a: GET {t}k
    a: MOVE {t}k 1
    a: SELECT 1
    a: GET {t}k
    a: COPY {t}k {t}k DB 2
    a: COPY {t}k {t}k DB 2
    a: COPY {t}k {t}k DB 2 REPLACE
    a: SWAPDB 1 2
    a: GET {t}k
    a: FLUSHDB
    a: SELECT 2
    a: GET {t}k
    a: FLUSHALL
    a: DBSIZE`,

  "keys of all servers": `
    a: MSET {t}k 1 {u}k 2 {v}k 3 {w}k 4 {x}k 5
    a: DBSIZE
    a: KEYS *
    a: KEYS {?}k
    a: KEYS {u}*
    a: SELECT 1
    a: DBSIZE
    a: KEYS *
    a: RANDOMKEY
    a: SET {u}only 1
    a: RANDOMKEY
    a: FLUSHDB
    b: DBSIZE
    b: FLUSHALL
    b: DBSIZE
    b: RANDOMKEY`,

  names: `
    a: CLIENT GETNAME
    a: CLIENT SETNAME alice
    a: CLIENT GETNAME
    b: CLIENT GETNAME
    a: CLIENT SETNAME "with blank"
    a: CLIENT GETNAME
    a: CLIENT SETNAME ""
    a: CLIENT GETNAME
    a: HELLO 3 SETNAME bob
    a: CLIENT GETNAME
    a: CLIENT SETNAME ""
    a: CLIENT GETNAME
    a: RESET
    a: CLIENT GETNAME`,

  "RESET forgets everything": `
    a: HELLO 3
    a: SELECT 4
    a: SET {t}k 4
    a: CLIENT SETNAME x
    a: RESET
    a: GET {t}k
    a: CLIENT GETNAME
    a: HGETALL {t}none
    a: SELECT 4
    a: GET {t}k`,

  "two versions of the protocol": `
    a: HELLO 3
    a: HSET {t}h f v
    a: HGETALL {t}h
    b: HGETALL {t}h
    a: GET {t}none
    b: GET {t}none
    a: HELLO 2
    a: HGETALL {t}h
    a 4: HELLO 3; HGETALL {t}h; HELLO 2; HGETALL {t}h
    a: HELLO 4
    a: HELLO 1
    a: HELLO x
    a: HELLO
    a: GET {t}none`,

  "no replies wanted": `
    a 0: CLIENT REPLY OFF
    a 0: SET {t}k 1
    a 0: NOSUCHCOMMAND
    a 0: SET {t}k
    a: CLIENT REPLY ON
    a: GET {t}k
    a 0: CLIENT REPLY SKIP
    a 0: INCR {t}k
    a: GET {t}k
    a 1: CLIENT REPLY SKIP; INCR {t}k; GET {t}k
    a 1: CLIENT REPLY OFF; INCR {t}k; CLIENT REPLY SKIP; INCR {t}k; INCR {t}k; CLIENT REPLY ON
    a: GET {t}k
    a 2: CLIENT REPLY SKIP; MGET {t}k {u}k {v}k; MGET {t}k {u}k; PING
    a: CLIENT REPLY NOPE
    a: CLIENT REPLY`,

  "no replies wanted in a transaction": `
    a 1: CLIENT REPLY OFF; MULTI; INCR {t}k; EXEC; CLIENT REPLY ON
    a: GET {t}k
    a 3: CLIENT REPLY SKIP; MULTI; INCR {t}k; EXEC; GET {t}k
    a 1: CLIENT REPLY OFF; BLPOP {t}none 0.01; CLIENT REPLY ON
    a: GET {t}k`,

  "a script that one loads is there for all": `
    a: SCRIPT EXISTS ${ONE} ${ECHO}
    b: EVALSHA ${ECHO} 1 {t}k x
    a: SCRIPT LOAD "return {KEYS[1],ARGV[1]}"
    b: EVALSHA ${ECHO} 1 {t}k x
    b: EVALSHA ${ECHO} 1 {u}k x
    b: EVALSHA ${ECHO} 1 {v}k x
    b: EVALSHA ${ECHO} 1 {w}k x
    c: SCRIPT EXISTS ${ONE} ${ECHO}
    a: SCRIPT FLUSH
    b: EVALSHA ${ECHO} 1 {t}k x
    b: EVALSHA ${ECHO} 1 {u}k x
    c: SCRIPT EXISTS ${ONE} ${ECHO}
    a: SCRIPT LOAD "return ("
    a: SCRIPT LOAD
    a: SCRIPT NOPE`,

  "a script that somebody ran is there for its key": `
    a: EVAL "return {KEYS[1],ARGV[1]}" 1 {t}k x
    b: EVALSHA ${ECHO} 1 {t}k y
    b: EVALSHA ${ECHO.toUpperCase()} 1 {t}k y
    b: EVALSHA_RO ${ECHO} 1 {t}k y
    b 4: MULTI; EVALSHA ${ECHO} 1 {t}k y; EVALSHA ${ONE} 1 {t}k; EXEC`,

  "scripts without keys": `
    a: EVAL "return 1" 0
    a: EVALSHA ${ONE} 0
    a: SCRIPT LOAD "return 1"
    b: EVALSHA ${ONE} 0
    b: EVAL_RO "return ARGV" 0 x y
    b: EVAL "return redis.call('PING')" 0`,

  "a script that takes too long is ended": `
    a 0: EVAL "while true do end" 1 {t}k
    running 1
    b: SCRIPT KILL
    a <
    b: GET {t}k
    b: SCRIPT KILL`,

  "who comes meanwhile is answered when it is ended": `
    a 0: EVAL "while true do end" 1 {t}k
    running 1
    c: SCRIPT KILL
    a <
    b: GET {t}k
    c 3: MULTI; GET {t}k; EXEC
    b: FUNCTION KILL`,

  "functions that one loads are there for all": `
    b: FCALL put 1 {t}k x
    a: FUNCTION LOAD ${LIBRARY}
    b: FCALL put 1 {t}k x
    b: FCALL put 1 {u}k y
    b: FCALL put 1 {v}k z
    c: FCALL_RO get 1 {u}k
    c: FCALL_RO put 1 {u}k x
    c: MGET {t}k {u}k {v}k
    a: FUNCTION LOAD ${LIBRARY}
    a: FUNCTION LOAD REPLACE ${LIBRARY}
    c: FUNCTION LIST LIBRARYNAME l*
    c 3: MULTI; FCALL get 1 {t}k; EXEC
    a: FUNCTION DELETE lib
    a: FUNCTION DELETE lib
    b: FCALL put 1 {t}k x
    b: FCALL get 1 {u}k
    c: FUNCTION LIST
    a: FUNCTION LOAD ${LIBRARY}
    a: FUNCTION FLUSH
    b: FCALL get 1 {u}k
    a: FUNCTION KILL
    a: FUNCTION NOPE`,

  "passwords where there are none": `
    a: AUTH secret
    a: AUTH default anything
    a: AUTH nobody anything
    a: HELLO 3 AUTH nobody x
    a: HELLO 3 AUTH default x
    a: ACL WHOAMI
    a: GET {t}k`,

  "streams and groups of several consumers": `
    a: XGROUP CREATE {t}s g $ MKSTREAM
    b 3: XADD {t}s 1-1 f 1; XADD {t}s 1-2 f 2; XADD {t}s 1-3 f 3
    a: XREADGROUP GROUP g alice COUNT 1 STREAMS {t}s >
    c: XREADGROUP GROUP g carol COUNT 5 STREAMS {t}s >
    a: XREADGROUP GROUP g alice STREAMS {t}s >
    a: XACK {t}s g 1-1 1-2
    c: XPENDING {t}s g
    a: XCLAIM {t}s g alice 0 1-3 JUSTID
    a: XREADGROUP GROUP g alice STREAMS {t}s 0
    c: XAUTOCLAIM {t}s g carol 0 0
    b: XINFO GROUPS {t}s
    a: XINFO STREAM {t}s`,

  QUIT: `
    a 0: SET {t}k 1; QUIT; SET {t}k 2
    a ends
    b: GET {t}k
    b 0: QUIT with arguments
    b ends`,
};

describe("sessions", () => {
  test.each(Object.entries(SCENARIOS))(
    "%s",
    async (_, scenario) => {
      await rig.check(scenario);
    },
    60_000,
  );
});
