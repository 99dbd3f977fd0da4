/** Publishers and subscribers, straight and through the proxy: everyone receives the same bytes. */
import { afterAll, beforeAll, describe, test } from "bun:test";
import { type ScenarioRig, startScenarioRig } from "../support/scenario-rig.ts";

let rig: ScenarioRig;

beforeAll(async () => {
  rig = await startScenarioRig();
});

afterAll(() => rig?.stop());

const HUNDRED = Array.from({ length: 100 }, (_, at) => `PUBLISH ch message${at}`).join("; ");

const SCENARIOS: Readonly<Record<string, string>> = {
  "one channel": `
    a: SUBSCRIBE ch
    b: PUBLISH ch hello
    a <
    b: PUBLISH other hello
    a: UNSUBSCRIBE ch
    b: PUBLISH ch hello
    a: GET {t}k`,

  "one channel, RESP3": `
    a: HELLO 3
    a: SUBSCRIBE ch
    b: PUBLISH ch hello
    a <
    a: GET {t}k
    a: UNSUBSCRIBE ch
    a: GET {t}k`,

  "several channels": `
    a 3: SUBSCRIBE one two three
    b: PUBLISH two 2
    a <
    b: PUBLISH one 1
    a <
    b: PUBLISH three 3
    a <
    a 2: UNSUBSCRIBE two three
    b: PUBLISH two 2
    b: PUBLISH one 1
    a <
    a: UNSUBSCRIBE one`,

  patterns: `
    a: PSUBSCRIBE n?ws.*
    b: PUBLISH news.tech 1
    a <
    b: PUBLISH nws.tech 1
    b: PUBLISH news. ""
    a <
    a 2: PSUBSCRIBE h[ae]llo \\*
    b: PUBLISH hallo x
    a <
    b: PUBLISH hillo x
    b: PUBLISH * x
    a <
    a: PUNSUBSCRIBE n?ws.*
    b: PUBLISH news.tech 2`,

  "a pattern and its channel: both": `
    a: SUBSCRIBE news.a
    a: PSUBSCRIBE news.*
    b: PUBLISH news.a x
    a < 2
    a: UNSUBSCRIBE news.a
    b: PUBLISH news.a x
    a <
    a: PUNSUBSCRIBE news.*
    b: PUBLISH news.a x`,

  "many subscribers": `
    a: SUBSCRIBE ch
    b: SUBSCRIBE ch
    c: PSUBSCRIBE c*
    d: HELLO 3
    d: SUBSCRIBE ch
    p: PUBLISH ch x
    a <
    b <
    c <
    d <
    a: UNSUBSCRIBE ch
    p: PUBLISH ch y
    b <
    c <
    d <`,

  "who leaves is not counted": `
    a: SUBSCRIBE ch
    b: SUBSCRIBE ch
    p: PUBLISH ch x
    a <
    b <
    a close
    subscribers ch 1
    p: PUBLISH ch y
    b <
    b reset
    subscribers ch 0
    p: PUBLISH ch z
    c: PSUBSCRIBE *
    c close
    patterns 0
    p: PUBLISH ch z`,

  "what a RESP2 subscriber may say": `
    a: SUBSCRIBE ch
    a: GET {t}k
    a: SET {t}k 1
    a: PING
    a: PING x
    a: PING x y
    a: ECHO x
    a: NOSUCHCOMMAND
    a: SUBSCRIBE
    a: MULTI
    a: HELLO 3
    a: PUBLISH ch x
    a: PSUBSCRIBE p*
    a: PUNSUBSCRIBE p*
    a: UNSUBSCRIBE ch
    a: PING
    a: PING x
    a: SET {t}k 1`,

  "what a RESP3 subscriber may say": `
    a: HELLO 3
    a: SUBSCRIBE ch
    a: GET {t}k
    a: SET {t}k 1
    a: PING
    a: PING x
    a 3: MULTI; GET {t}k; EXEC
    a: NOSUCHCOMMAND`,

  "subscribing again, and leaving where one is not": `
    a: UNSUBSCRIBE
    a: PUNSUBSCRIBE
    a: UNSUBSCRIBE ch
    a 2: UNSUBSCRIBE one two
    a: SUBSCRIBE ch
    a: SUBSCRIBE ch
    a 2: SUBSCRIBE ch ch
    a: UNSUBSCRIBE other
    a: PUNSUBSCRIBE
    b: PUBLISH ch x
    a <
    a: UNSUBSCRIBE
    a: UNSUBSCRIBE
    a: GET {t}k`,

  "the same in RESP3": `
    a: HELLO 3
    a: UNSUBSCRIBE
    a: PUNSUBSCRIBE none
    a 2: SUBSCRIBE ch ch
    a: UNSUBSCRIBE
    a: UNSUBSCRIBE
    a: GET {t}k`,

  "RESET leaves all channels": `
    a: SUBSCRIBE ch
    a: PSUBSCRIBE p*
    a: RESET
    a: GET {t}k
    b: PUBLISH ch x
    b: PUBLISH px x`,

  "QUIT of a subscriber": `
    a: SUBSCRIBE ch
    a 0: QUIT
    a ends
    subscribers ch 0
    b: PUBLISH ch x`,

  "a hundred messages in order": `
    a: SUBSCRIBE ch
    b 100: ${HUNDRED}
    a < 100`,

  "requests in one piece with subscriptions": `
    a 4: SET {t}k 1; SUBSCRIBE ch; PING; UNSUBSCRIBE ch
    a 3: GET {t}k; SUBSCRIBE ch; UNSUBSCRIBE ch
    a 2: GET {t}k; PING`,

  "large messages": `
    a: SUBSCRIBE ch
    b: PUBLISH ch ${"x".repeat(100_000)}
    a <
    a: HELLO 2`,

  "binary names and messages": `
    a 2: SUBSCRIBE "a\\r\\nb" "\\u00ff\\u0000"
    b: PUBLISH "a\\r\\nb" "$3\\r\\n"
    a <
    b: PUBLISH "\\u00ff\\u0000" ""
    a <
    b: PUBLISH "" empty
    a: SUBSCRIBE ""
    b: PUBLISH "" empty
    a <`,

  "who listens": `
    b: PUBSUB CHANNELS
    b: PUBSUB NUMSUB
    a: SUBSCRIBE one.a
    c: SUBSCRIBE two.a
    d: SUBSCRIBE two.a
    d: PSUBSCRIBE x*
    b: PUBSUB CHANNELS
    b: PUBSUB CHANNELS one*
    b: PUBSUB CHANNELS none*
    b: PUBSUB NUMSUB one.a two.a three
    b: PUBSUB NUMPAT
    b: PUBSUB NOPE
    b: PUBSUB`,

  "publishing in transactions and scripts": `
    a: SUBSCRIBE ch
    b 4: MULTI; PUBLISH ch one; PUBLISH none x; EXEC
    a <
    b 3: MULTI; PUBLISH ch two; DISCARD
    b: EVAL "return redis.call('PUBLISH','ch',ARGV[1])" 1 {t}k three
    a <
    b: EVAL "return redis.call('PUBLISH','ch',ARGV[1])" 1 {u}k four
    a <
    b: EVAL "return redis.call('PUBLISH','ch',ARGV[1])" 1 {v}other five
    a <`,

  "a subscriber that publishes, RESP3": `
    a: HELLO 3
    a: SUBSCRIBE ch
    a 2: PUBLISH ch mine
    a: GET {t}k`,

  "a subscriber that waits, RESP3": `
    a: HELLO 3
    a: SUBSCRIBE ch
    a 0: BLPOP {t}q 0
    blocked 1
    b: PUBLISH ch x
    a <
    b: RPUSH {t}q y
    a <`,

  "shard channels": `
    a 2: SSUBSCRIBE {t}one {t}two
    b: SPUBLISH {t}one x
    a <
    b: PUBLISH {t}one x
    b: PUBSUB SHARDCHANNELS {t}one
    b: PUBSUB SHARDNUMSUB {t}one {t}two {t}three
    a: SUNSUBSCRIBE {t}one
    b: SPUBLISH {t}one x
    a: SUNSUBSCRIBE {t}two
    a: GET {t}k`,

  "in any database": `
    a: SELECT 3
    a: SUBSCRIBE ch
    b: PUBLISH ch x
    a <
    b: SELECT 4
    b: PUBLISH ch y
    a <
    a: UNSUBSCRIBE ch
    a: SET {t}k three
    b: GET {t}k`,

  "a protocol error of a subscriber": `
    a: SUBSCRIBE ch
    a raw 0: "*1\\r\\n$x\\r\\n"
    a ends
    subscribers ch 0`,
};

describe("subscriptions", () => {
  test.each(Object.entries(SCENARIOS))(
    "%s",
    async (_, scenario) => {
      await rig.check(scenario);
    },
    60_000,
  );
});
