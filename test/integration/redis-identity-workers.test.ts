/** Who a client is, over several servers and workers; and what the configuration says of it. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { eventually, type IdentityRig, startIdentityRig } from "../support/identity-rig.ts";
import { exchange } from "../support/redis-exchange.ts";
import { RespClient } from "../support/resp-client.ts";
import { mustRun } from "../support/run-command.ts";

setDefaultTimeout(120_000);

const LET_GO = {
  TIMEOUT: "*-1\r\n",
  ERROR: "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n",
};

describe("before four servers, in two workers", () => {
  let rig: IdentityRig;

  beforeAll(async () => {
    rig = await startIdentityRig({ servers: 4, workers: 2 });
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

  test("a client that waits is let go by any other", async () => {
    const clients = await connectMany(6);
    const waiting = clients[0]!;
    const id = (await waiting.ask("CLIENT", "ID")).substring(1).trim();
    for (const client of clients.slice(1)) {
      for (const [reason, answer] of Object.entries(LET_GO)) {
        waiting.command(["BLPOP", "nothing", "0"]);
        await eventually("it waits", async () =>
          / flags=b /.test(await client.ask("CLIENT", "LIST", "ID", id)),
        );
        expect(await client.ask("CLIENT", "UNBLOCK", id, reason)).toBe(":1\r\n");
        expect(`${await waiting.reply()}`).toBe(answer);
        expect(await client.ask("CLIENT", "UNBLOCK", id, reason)).toBe(":0\r\n");
      }
    }
    for (const client of clients) client.close();
  });

  test("all of it goes along when clients change their worker", async () => {
    const client = await RespClient.connect(rig.endpoint);
    const silent = await RespClient.connect(rig.endpoint);
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
      async () => (await client.ask("CLIENT", "LIST")).split(" db=7 ").length === 3,
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
  const rig = await startIdentityRig({
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

test("nobody is executed as whom another named in a transaction", async () => {
  const rig = await startIdentityRig({
    args: ["--requirepass", "pw", "--user", "reader", "on", ">r", "~*", "+@read", "+acl|whoami"],
    lines: ["redis_auth: pw"],
  });
  try {
    const [one, two] = [
      await RespClient.connect(rig.endpoint),
      await RespClient.connect(rig.endpoint),
    ];
    for (const client of [one, two]) expect(await client.ask("AUTH", "pw")).toBe("+OK\r\n");
    for (const request of [["AUTH", "reader", "r"], "HELLO 2 AUTH reader r".split(" ")]) {
      await one.ask("MULTI");
      await one.ask(...request);
      expect(await one.ask("EXEC")).toStartWith("*1\r\n");
      for (const client of [one, two]) {
        await client.ask("MULTI");
        await client.ask("ACL", "WHOAMI");
        expect(await client.ask("EXEC")).toBe("*1\r\n$7\r\ndefault\r\n");
      }
    }
    one.close();
    two.close();
  } finally {
    await rig.stop();
  }
});

test("a server that does not know AUTH gets nobody to tell the password", async () => {
  const rig = await startIdentityRig({
    args: ["--rename-command", "AUTH", "LOGIN"],
    lines: ["redis_auth: verysecret"],
  });
  try {
    const client = await RespClient.connect(rig.endpoint);
    expect(await client.ask("AUTH", "verysecret")).toBe("+OK\r\n");
    expect(await client.ask("GET", "k")).toBe(
      "-ERR server s0 refused AUTH: ERR unknown command 'AUTH'\r\n",
    );
    expect(rig.proxy.stderr()).toContain("refused AUTH");
    expect(rig.proxy.stderr()).not.toContain("verysecret");
    client.close();
  } finally {
    await rig.stop();
  }
});

test("a database of the configuration's and users of the servers' go together", async () => {
  const rig = await startIdentityRig({
    args: ["--requirepass", "pw"],
    lines: ["redis_db: 4", "auto_eject_hosts: true", "server_failure_limit: 1"],
  });
  try {
    const stranger = await RespClient.connect(rig.endpoint);
    const client = await RespClient.connect(rig.endpoint);
    for (let i = 0; i < 5; i++) {
      expect(await stranger.ask("GET", "k")).toBe("-NOAUTH Authentication required.\r\n");
    }
    expect(await client.ask("AUTH", "pw")).toBe("+OK\r\n");
    expect(await client.ask("SET", "k", "v")).toBe("+OK\r\n");
    expect(await client.ask("SELECT", "1")).toBe("-ERR DB index is out of range\r\n");
    expect(await stranger.ask("HELLO", "3")).toStartWith("-NOAUTH HELLO ");
    const replies = await exchange(rig.servers[0]!, [
      ["AUTH", "pw"],
      ["SELECT", "4"],
      ["GET", "k"],
    ]);
    expect(`${replies[2]}`).toBe("v");
    expect(rig.proxy.stderr()).not.toMatch(/trouble|ejected/);
    stranger.close();
    client.close();
  } finally {
    await rig.stop();
  }
});
