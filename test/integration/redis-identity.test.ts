/** Who a client is, which database and which protocol it uses, and what CLIENT says of it: as straight, byte for byte. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  compare,
  eventually,
  type IdentityRig,
  startIdentityRig,
} from "../support/identity-rig.ts";
import { exchange } from "../support/redis-exchange.ts";
import { RespClient } from "../support/resp-client.ts";

setDefaultTimeout(120_000);

const DATABASES = [
  ..."SELECT abc|SELECT 99|SELECT -1|SELECT 99999999999|SELECT 2147483648|SELECT 01|SELECT +1".split(
    "|",
  ),
  ...['SELECT "1 "', 'SELECT ""', "SELECT -0", "SELECT", "SELECT 1 2", "SELECT 0"],
  ...["SET k zero", "SELECT 1", "GET k", "SET k one", "SELECT 15", "GET k", "SELECT 0", "GET k"],
  ...["SELECT 1", "GET k", "SELECT 16", "GET k", "MOVE k 2", "SELECT 2", "GET k", "CLIENT INFO"],
  ...["COPY k c DB 3", "SWAPDB 2 3", "GET c", "DBSIZE", "RESET", "GET k", "FLUSHALL"],
];

const GREETINGS = [
  ...["HELLO", "HELLO 3", "CLIENT INFO", "GET nothing", "HELLO 2", "GET nothing", "HELLO 4"],
  ...["HELLO x", "HELLO 3 foo", "HELLO 0", "HELLO -3", "HELLO 99999999999999999999", "HELLO 03"],
  ...['HELLO 3 SETNAME "a b"', "HELLO 2 AUTH a", "HELLO 3 SETNAME one AUTH nobody bad"],
  ...["CLIENT GETNAME", 'HELLO 3 AUTH nobody bad SETNAME "a b"', "HELLO 3 AUTH nobody bad foo"],
  ...["HELLO 3 AUTH default anything", "CLIENT GETNAME", "CLIENT TRACKINGINFO", "RESET"],
  ...["CLIENT GETNAME", "HELLO 2 SETNAME two foo", "CLIENT GETNAME", "AUTH x", "AUTH default x"],
  ...["AUTH nobody x", "AUTH a b c", "AUTH", "ACL WHOAMI", "HELLO 3 SETNAME x SETNAME y"],
  "CLIENT GETNAME",
];

const CLIENT = [
  ..."CLIENT|CLIENT FOO|CLIENT ID x|CLIENT HELP|CLIENT SETNAME|CLIENT GETNAME".split("|"),
  ...["CLIENT SETNAME name", "CLIENT GETNAME", 'CLIENT SETNAME "a b"', 'CLIENT SETNAME ""'],
  ...["CLIENT GETNAME", "CLIENT INFO", "CLIENT LIST TYPE x", "CLIENT LIST ID", "CLIENT LIST ID a"],
  ...["CLIENT LIST foo", "CLIENT LIST foo bar", "CLIENT LIST TYPE normal x", "CLIENT LIST ID 0"],
  ...["CLIENT LIST TYPE pubsub", "CLIENT LIST TYPE slave", "CLIENT LIST TYPE master"],
  ...["CLIENT LIST TYPE replica", "CLIENT LIST ID -1 0 999999999", "CLIENT KILL", "CLIENT KILL x"],
  ...["CLIENT KILL ID", "CLIENT KILL ID abc", "CLIENT KILL ID 0", "CLIENT KILL ID 999999999"],
  ...["CLIENT KILL TYPE foo", "CLIENT KILL TYPE replica", "CLIENT KILL USER nobody"],
  ...["CLIENT KILL USER default SKIPME maybe", "CLIENT KILL FOO bar", "CLIENT KILL ADDR 1.2.3.4:5"],
  ...["CLIENT KILL LADDR x ID", "CLIENT KILL SKIPME yes ID 999999999", "CLIENT KILL ID 1 x"],
  ...["CLIENT NO-EVICT", "CLIENT NO-EVICT x", "CLIENT NO-EVICT on", "CLIENT INFO"],
  ...["CLIENT NO-EVICT off", "CLIENT UNBLOCK", "CLIENT UNBLOCK abc", "CLIENT UNBLOCK 999999999"],
  ...["CLIENT UNBLOCK 99 foo", "CLIENT UNBLOCK 99 TIMEOUT", "CLIENT UNBLOCK 99 ERROR x"],
  ...["CLIENT TRACKING", "CLIENT TRACKING x", "CLIENT TRACKING off", "CLIENT CACHING"],
  ...["CLIENT CACHING yes", "CLIENT GETREDIR", "CLIENT GETREDIR x", "CLIENT TRACKINGINFO"],
  ...["CLIENT REPLY", "CLIENT REPLY x", "CLIENT REPLY on", "CLIENT REPLY on x", "RESET x"],
];

const SUBSCRIBED = [
  ...["SUBSCRIBE a", "PSUBSCRIBE b*", "CLIENT INFO", "PING"],
  ...["CLIENT KILL TYPE pubsub", "RESET", "CLIENT INFO", "SSUBSCRIBE s"],
  ...["CLIENT INFO", "SELECT 1", "RESET", "CLIENT INFO", "!CLIENT REPLY OFF", "SUBSCRIBE c"],
  ...["!PING", "CLIENT REPLY ON ; UNSUBSCRIBE c", "RESET", "CLIENT REPLY SKIP ; SUBSCRIBE d"],
  ...["!UNSUBSCRIBE", "RESET", "CLIENT INFO"],
];

const SILENCE = [
  ...["CLIENT REPLY SKIP ; PING one ; PING two", "PING three"],
  ...["CLIENT REPLY SKIP ; CLIENT REPLY SKIP ; PING one ; PING two"],
  ...["CLIENT REPLY SKIP ; CLIENT REPLY ON", "CLIENT REPLY SKIP ; FOO ; ECHO 1"],
  ...["CLIENT REPLY SKIP ; GET {k}1 ; GET {k}2", "CLIENT REPLY SKIP ; RESET ; ECHO 2"],
  ...["CLIENT REPLY SKIP ; SELECT 3 ; CLIENT INFO", "!SET {k}1 a ; CLIENT REPLY OFF", "GET {k}1"],
  ...["!CLIENT REPLY OFF ; SET {k}1 b ; GET {k}1 ; FOO", "!CLIENT REPLY SKIP ; CLIENT REPLY OFF"],
  ...["!MSET {k}1 c {k}2 d", "!SELECT 4", "CLIENT REPLY ON", "CLIENT INFO", "!SELECT 0"],
  ...[
    "GET {k}1",
    "!CLIENT REPLY OFF ; GET {k}1",
    "RESET",
    "GET {k}2",
    "!CLIENT REPLY SKIP",
    "!PING",
  ],
  ...["PING last", "CLIENT REPLY SKIP ; MULTI ; PING one", "EXEC"],
];

describe("before one server", () => {
  let rig: IdentityRig;

  beforeAll(async () => {
    rig = await startIdentityRig();
  });

  afterAll(() => rig?.stop());

  for (const [name, lines] of Object.entries({
    DATABASES,
    GREETINGS,
    CLIENT,
    SUBSCRIBED,
    SILENCE,
  })) {
    test(`${name.toLowerCase()} in RESP2`, () => compare(rig, lines));
    test(`${name.toLowerCase()} in RESP3`, () => compare(rig, ["HELLO 3", ...lines]));
  }

  test("a database is its client's own, however requests of several clients mix", async () => {
    const clients = await Promise.all(
      Array.from({ length: 12 }, () => RespClient.connect(rig.endpoint)),
    );
    for (const [i, client] of clients.entries()) {
      client.command(["SELECT", `${i}`], ["SET", "own", `${i}`]);
      for (let n = 0; n < 50; n++) client.command(["INCR", "count"], ["GET", "own"]);
    }
    for (const [i, client] of clients.entries()) {
      expect((await client.replies(2)).join("")).toBe("+OK\r\n+OK\r\n");
      for (let n = 1; n <= 50; n++) {
        expect((await client.replies(2)).join("")).toBe(`:${n}\r\n$${`${i}`.length}\r\n${i}\r\n`);
      }
      client.close();
    }
    await exchange(rig.servers[0]!, [["FLUSHALL"]]);
  });

  test("what is watched stays watched when the database changes", async () => {
    const lines = ["SET w 0", "WATCH w", "SELECT 1", "SET w 1", "MULTI", "GET w", "EXEC", "GET w"];
    await compare(rig, [...lines, "SELECT 0", "WATCH w", "SELECT 1", "SELECT 0", "SET w 2"]);
    await compare(rig, ["WATCH w", "SELECT 1", "SELECT 0", "SET w 2", "MULTI", "GET w", "EXEC"]);
    await compare(rig, ["WATCH w", "HELLO 3", "MULTI", "HGETALL h", "EXEC", "FLUSHALL"]);
  });
});

const UNKNOWN = [
  ...["PING", "ECHO x", "SELECT 1", "SELECT abc", "CLIENT ID", "CLIENT SETNAME x", "CLIENT FOO"],
  ...["FOO", "GET", "GET x", "INFO", "COMMAND COUNT", "HELLO", "HELLO 2", "HELLO 3", "HELLO 4"],
  ...["HELLO x", "HELLO 3 foo", "HELLO 3 SETNAME zz", "MULTI", "EXEC", "DISCARD", "RESET"],
  ...["CLIENT LIST", "CLIENT KILL ID 99999999", "CLIENT REPLY SKIP", "AUTH bad"],
  ...["AUTH default bad", "AUTH x y z", "HELLO 3 AUTH default bad SETNAME no", "PING"],
  ...["AUTH pw", "CLIENT GETNAME", "ACL WHOAMI", "AUTH bad", "ACL WHOAMI", "SET k 1", "RESET"],
  ...["PING", "AUTH default pw", "PING", "SELECT 3", "CLIENT INFO", "RESET", "GET k"],
  ...["HELLO 3 AUTH default pw SETNAME me", "CLIENT INFO", "GET nothing", "HELLO 3 AUTH no pw"],
  ...["CLIENT INFO", "RESET", "HELLO 3", "CLIENT REPLY OFF ; RESET"],
];

const LIMITED = [
  ...["AUTH bob builder", "SET b:1 x", "GET b:1", "GET other", "DEL b:1", "ACL WHOAMI"],
  ...["SELECT 1", "CLIENT LIST", "CLIENT KILL ID 999999999", "INFO", "FOO", "GET"],
  ...["HELLO 3 SETNAME y", "GET b:1", "AUTH bob wrong", "GET b:1", "AUTH default pw", "GET other"],
  ...["AUTH bob builder", "GET other", "RESET", "GET b:1", "HELLO 3 AUTH bob builder", "GET b:1"],
];

describe("before servers that want a password", () => {
  let rig: IdentityRig;

  beforeAll(async () => {
    rig = await startIdentityRig({
      args: ["--requirepass", "pw"],
      lines: ["auto_eject_hosts: true", "server_failure_limit: 1", "server_retry_timeout: 60000"],
    });
    await exchange(rig.servers[0]!, [
      ["AUTH", "pw"],
      ["ACL", "SETUSER", "bob", "on", ">builder", "~b:*", "+get", "+set"],
      ["ACL", "SETUSER", "eve", "on", ">dropper", "~*", "+@all"],
    ]);
  });

  afterAll(() => rig?.stop());

  test("of who has given none", () => compare(rig, UNKNOWN));
  test("of who may do little", () => compare(rig, LIMITED));

  test("whoever gives none hurts nobody, with nothing", async () => {
    const other = await RespClient.connect(rig.endpoint);
    expect(await other.ask("AUTH", "pw")).toBe("+OK\r\n");
    for (let i = 0; i < 5; i++) {
      const stranger = await RespClient.connect(rig.endpoint);
      stranger.command(["MSET", ...Array.from({ length: 20 }, (_, n) => `${n}`)]);
      expect((await stranger.untilClosed()).toString()).toBe(
        "-ERR Protocol error: unauthenticated multibulk length\r\n",
      );
      expect(await other.ask("GET", "nothing")).toBe("$-1\r\n");
    }
    other.close();
  });

  test("a user whose password changes is told, nobody else notices", async () => {
    const straight = await RespClient.connect(rig.servers[0]!);
    await straight.ask("AUTH", "pw");
    const eve = await RespClient.connect(rig.endpoint);
    const other = await RespClient.connect(rig.endpoint);
    expect(await eve.ask("AUTH", "eve", "dropper")).toBe("+OK\r\n");
    expect(await other.ask("AUTH", "pw")).toBe("+OK\r\n");
    expect(await eve.ask("SET", "e", "1")).toBe("+OK\r\n");
    await straight.ask("ACL", "SETUSER", "eve", "resetpass", ">other");
    // Until now eve's connections are as good as they were.
    expect(await eve.ask("GET", "e")).toBe("$1\r\n1\r\n");
    const late = await RespClient.connect(rig.endpoint);
    expect(await late.ask("AUTH", "eve", "dropper")).toStartWith("-WRONGPASS ");
    await straight.ask("CLIENT", "KILL", "USER", "eve");
    await eventually("the old connection is gone", async () =>
      (await eve.ask("GET", "e")).startsWith("-WRONGPASS "),
    );
    for (let i = 0; i < 5; i++) {
      expect(await eve.ask("GET", "e")).toStartWith("-WRONGPASS ");
      expect(await other.ask("GET", "e")).toBe("$1\r\n1\r\n");
    }
    expect(await eve.ask("AUTH", "eve", "other")).toBe("+OK\r\n");
    expect(await eve.ask("GET", "e")).toBe("$1\r\n1\r\n");
    for (const client of [straight, eve, other, late]) client.close();
  });

  test("passwords are in no log and in no list", async () => {
    const client = await RespClient.connect(rig.endpoint);
    await client.ask("AUTH", "bob", "builder");
    await client.ask("AUTH", "bob", "wr0ng");
    await client.ask("AUTH", "pw");
    expect(await client.ask("CLIENT", "LIST")).not.toMatch(/builder|wr0ng|pw/);
    expect(await client.ask("INFO", "everything")).not.toMatch(/builder|wr0ng/);
    expect(rig.proxy.stderr()).not.toMatch(/builder|wr0ng|dropper/);
    client.close();
  });

  test("a password that is taken away is not asked for any more", async () => {
    const straight = await RespClient.connect(rig.servers[0]!);
    await straight.ask("AUTH", "pw");
    const before = await RespClient.connect(rig.endpoint);
    expect(await before.ask("GET", "x")).toStartWith("-NOAUTH ");
    await straight.ask("CONFIG", "SET", "requirepass", "");
    await eventually(
      "the proxy has found out",
      async () => (await before.ask("GET", "x")) === "$-1\r\n",
    );
    const after = await RespClient.connect(rig.endpoint);
    expect(await after.ask("PING")).toBe("+PONG\r\n");
    await straight.ask("CONFIG", "SET", "requirepass", "pw");
    for (const client of [straight, before, after]) client.close();
  });
});
