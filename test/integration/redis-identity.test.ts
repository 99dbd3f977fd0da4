/** Who a client is, which database and which protocol it uses, and what CLIENT says of it: as straight, byte for byte. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { freePort } from "../support/free-port.ts";
import { type ProxyProcess, redisPool, startProxy } from "../support/proxy-process.ts";
import { exchange } from "../support/redis-exchange.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { RespClient } from "../support/resp-client.ts";
import { mustRun } from "../support/run-command.ts";
import type { Endpoint } from "../support/server-process.ts";

setDefaultTimeout(120_000);

interface Rig {
  readonly servers: readonly RedisServer[];
  readonly proxy: ProxyProcess;
  readonly endpoint: Endpoint;
  stop(): Promise<void>;
}

async function startRig(
  options: { servers?: number; workers?: number; lines?: string[]; args?: string[] } = {},
): Promise<Rig> {
  const { servers: count = 1, workers = 1, lines = [], args = [] } = options;
  const servers = await Promise.all(Array.from({ length: count }, () => startRedis({ args })));
  const port = freePort();
  const proxy = await startProxy({
    config: redisPool({ listen: `127.0.0.1:${port}`, servers, lines }),
    args: ["--workers", String(workers)],
  });
  const endpoint = { host: "127.0.0.1", port };
  const stop = async (): Promise<void> => {
    await proxy.stop();
    await Promise.all(servers.map((server) => server.stop()));
  };
  return { servers, proxy, endpoint, stop };
}

/** What differs by nature: ids, addresses, sizes. What CLIENT LIST says otherwise must be the same, field by field. */
function comparable(reply: Buffer): string {
  return reply
    .toString("latin1")
    .replace(/\$2\r\nid\r\n:\d+/g, "id")
    .replace(/^[$=]\d+\r\n(?=(txt:)?id=)/gm, "")
    .replace(
      / (?:id|l?addr|fd|age|idle|qbuf|qbuf-free|argv-mem|multi-mem|rb[sp]|o[bl]l|o?mem|tot-mem|omem|events)=\S*/g,
      (field) => field.replace(/=.*/, ""),
    )
    .replace(/id=\d+/g, "id")
    .replace(/ lib-name=\S* lib-ver=\S*/g, "");
}

/** Each line on its own: the next is sent when the reply is there. With a ";" several at once; "!" expects no reply. */
async function play(endpoint: Endpoint, lines: readonly string[]): Promise<string[]> {
  const client = await RespClient.connect(endpoint);
  const heard: string[] = [];
  try {
    for (const line of lines) {
      const isSilent = line.startsWith("!");
      const commands = line.replace(/^!/, "").split(" ; ");
      client.send(commands.map((command) => `${command}\r\n`).join(""));
      if (isSilent) continue;
      heard.push(`${line} -> ${comparable(await client.reply())}`);
    }
    // Whatever came besides would be before this.
    client.send("HELLO x\r\n");
    heard.push(comparable(await client.reply()));
  } finally {
    client.close();
  }
  return heard;
}

async function eventually(what: string, isTrue: () => Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + 30_000;
  while (!(await isTrue())) {
    if (performance.now() > deadlineMs) throw new Error(`waited in vain until ${what}`);
    await Bun.sleep(20);
  }
}

async function compare(rig: Rig, lines: readonly string[]): Promise<void> {
  const { host, port } = rig.servers[0]!;
  const straight = await play({ host, port }, lines);
  expect(await play(rig.endpoint, lines)).toEqual(straight);
}

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
  let rig: Rig;

  beforeAll(async () => {
    rig = await startRig();
  });

  afterAll(() => rig?.stop());

  for (const [name, lines] of Object.entries({ DATABASES, GREETINGS, CLIENT, SILENCE })) {
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
  let rig: Rig;

  beforeAll(async () => {
    rig = await startRig({
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

describe("before four servers, in two workers", () => {
  let rig: Rig;

  beforeAll(async () => {
    rig = await startRig({ servers: 4, workers: 2 });
  });

  afterAll(() => rig?.stop());

  async function connectMany(count: number): Promise<RespClient[]> {
    const clients = await Promise.all(
      Array.from({ length: count }, () => RespClient.connect(rig.endpoint)),
    );
    for (const [i, client] of clients.entries()) await client.ask("CLIENT", "SETNAME", `c${i}`);
    return clients;
  }

  function namesIn(list: string): string[] {
    return [...list.matchAll(/ name=(c\d+) /g)].map(([, name]) => name!).sort();
  }

  test("a database is the same on all of them", async () => {
    const client = await RespClient.connect(rig.endpoint);
    const keys = Array.from({ length: 40 }, (_, i) => `k${i}`);
    expect(await client.ask("SELECT", "5")).toBe("+OK\r\n");
    expect(await client.ask("MSET", ...keys.flatMap((key) => [key, "5"]))).toBe("+OK\r\n");
    expect(await client.ask("DBSIZE")).toBe(":40\r\n");
    expect(await client.ask("SELECT", "0")).toBe("+OK\r\n");
    expect(await client.ask("EXISTS", ...keys)).toBe(":0\r\n");
    expect(await client.ask("SELECT", "5")).toBe("+OK\r\n");
    expect(await client.ask("EXISTS", ...keys)).toBe(":40\r\n");
    client.close();
  });

  test("a client sees all others, whichever worker has them, and ends those it means", async () => {
    const clients = await connectMany(16);
    const [first] = clients;
    const all = Array.from({ length: 16 }, (_, i) => `c${i}`).sort();
    expect(namesIn(await first!.ask("CLIENT", "LIST"))).toEqual(all);
    const ids = new Map<string, string>();
    for (const [i, client] of clients.entries()) {
      ids.set(`c${i}`, (await client.ask("CLIENT", "ID")).substring(1).trim());
    }
    const some = await first!.ask("CLIENT", "LIST", "ID", ids.get("c3")!, ids.get("c12")!);
    expect(namesIn(some)).toEqual(["c12", "c3"]);
    for (const name of ["c5", "c6", "c7", "c8"]) {
      expect(await first!.ask("CLIENT", "KILL", "ID", ids.get(name)!)).toBe(":1\r\n");
    }
    for (const client of clients.slice(5, 9)) await client.untilClosed();
    const address = / addr=(\S+) laddr=\S+ fd=\d+ name=c9 /.exec(
      await first!.ask("CLIENT", "LIST"),
    );
    expect(await first!.ask("CLIENT", "KILL", address![1]!)).toBe("+OK\r\n");
    await clients[9]!.untilClosed();
    const rest = all.filter((name) => !["c5", "c6", "c7", "c8", "c9"].includes(name));
    expect(namesIn(await first!.ask("CLIENT", "LIST"))).toEqual(rest);
    expect(await first!.ask("CLIENT", "KILL", "TYPE", "normal")).toBe(`:${rest.length - 1}\r\n`);
    expect(await first!.ask("PING")).toBe("+PONG\r\n");
    first!.command(["CLIENT", "KILL", "ID", ids.get("c0")!, "SKIPME", "no"]);
    expect((await first!.untilClosed()).toString()).toBe(":1\r\n");
  });

  test("all of it goes along when clients change their worker", async () => {
    const client = await RespClient.connect(rig.endpoint);
    const silent = await RespClient.connect(rig.endpoint);
    await exchange(rig.servers[0]!, [["ACL", "SETUSER", "bob", "on", ">builder", "~*", "+@all"]]);
    for (const server of rig.servers) {
      await exchange(server, [["ACL", "SETUSER", "bob", "on", ">builder", "~*", "+@all"]]);
    }
    expect(await client.ask("HELLO", "3", "AUTH", "bob", "builder", "SETNAME", "b")).toStartWith(
      "%7",
    );
    expect(await client.ask("SELECT", "7")).toBe("+OK\r\n");
    expect(await client.ask("SET", "moved", "7")).toBe("+OK\r\n");
    silent.command(["CLIENT", "REPLY", "OFF"], ["SELECT", "7"], ["GET", "moved"]);
    await eventually(
      "the silent one is in its database",
      async () =>
        (await client.ask("CLIENT", "LIST")).includes(" name= ") &&
        (await client.ask("CLIENT", "LIST")).split("db=7").length === 3,
    );
    await mustRun(rig.proxy, "reload");
    expect(await client.ask("CLIENT", "GETNAME")).toBe("$1\r\nb\r\n");
    expect(await client.ask("ACL", "WHOAMI")).toBe("$3\r\nbob\r\n");
    expect(await client.ask("GET", "moved")).toBe("$1\r\n7\r\n");
    expect(await client.ask("HGETALL", "nothing")).toBe("%0\r\n");
    silent.command(["GET", "moved"], ["CLIENT", "REPLY", "ON"], ["GET", "moved"]);
    expect((await silent.replies(2)).join("")).toBe("+OK\r\n$1\r\n7\r\n");
    client.close();
    silent.close();
  });
});

test("what the configuration says of password and database is nobody's to change", async () => {
  const rig = await startRig({
    args: ["--requirepass", "pw"],
    lines: ["redis_auth: pw", "redis_db: 4"],
  });
  try {
    const client = await RespClient.connect(rig.endpoint);
    expect(await client.ask("GET", "k")).toBe("-NOAUTH Authentication required.\r\n");
    expect(await client.ask("AUTH", "wrong")).toStartWith("-WRONGPASS ");
    expect(await client.ask("HELLO", "3", "AUTH", "default", "pw")).toStartWith("%7");
    expect(await client.ask("SELECT", "0")).toBe("+OK\r\n");
    expect(await client.ask("SELECT", "4")).toBe("-ERR DB index is out of range\r\n");
    expect(await client.ask("SET", "k", "v")).toBe("+OK\r\n");
    const [, , value] = await exchange(rig.servers[0]!, [
      ["AUTH", "pw"],
      ["SELECT", "4"],
      ["GET", "k"],
    ]);
    expect(`${value}`).toBe("v");
    client.close();
  } finally {
    await rig.stop();
  }
});
