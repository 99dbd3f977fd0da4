/** Keys of a Memcached pool move along when its servers change, while clients of all dialects use them: with real servers. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { BinaryClient, storageExtras } from "../support/binary-client.ts";
import { startMemcached } from "../support/memcached-server.ts";
import { MemcacheLoad } from "../support/migration/memcache-load.ts";
import { homeOf, keyBetween, MigrationRig } from "../support/migration/rig.ts";
import { TextClient } from "../support/text-client.ts";

const THREE = [0, 1, 2];
const FOUR = [0, 1, 2, 3];
const FIVE = [0, 1, 2, 3, 4];
const MEMCACHE = "protocol: memcache";

let rig = new MigrationRig();
let clients: { close(): void }[] = [];

beforeEach(() => {
  rig = new MigrationRig();
  clients = [];
});

afterEach(async () => {
  for (const client of clients) client.close();
  await rig.stop();
});

async function connect(port: number = rig.port): Promise<TextClient> {
  const client = await TextClient.connect({ host: "127.0.0.1", port });
  clients.push(client);
  return client;
}

/** Straight to a server. */
async function ask(server: number, request: string, end = "\r\n"): Promise<string> {
  const client = await connect(rig.servers[server]!.port);
  return await client.ask(request, end);
}

/** The keys of a server, locks among them. */
async function keysOf(server: number): Promise<string[]> {
  const listed = await ask(server, "lru_crawler metadump hash\r\n", "END\r\n");
  return [...listed.matchAll(/^key=(\S+)/gm)].map(([, key]) => decodeURIComponent(key!));
}

/** Keys that are not on exactly the server that the ring of `numbers` names. */
async function misplaced(numbers: readonly number[]): Promise<string[]> {
  const places = new Map<string, number[]>();
  for (const number of rig.servers.keys()) {
    for (const key of await keysOf(number)) places.set(key, [...(places.get(key) ?? []), number]);
  }
  return [...places].flatMap(([key, at]) => {
    const home = homeOf(key, numbers);
    return at.length === 1 && at[0] === home ? [] : [`${key} on ${at.join()}, not ${home}`];
  });
}

async function fill(count: number): Promise<void> {
  const client = await connect();
  for (let i = 0; i < count; i++) {
    await client.ask(`set filled:${i} ${i} ${1000 + i} 7\r\nvalue ${i % 10}\r\n`);
  }
}

describe("a Memcached pool with migrate: true", () => {
  test("moves all keys from 3 to 4 to 5 to 4 servers under load of all dialects", async () => {
    await rig.startMemcacheds(5);
    await rig.start(THREE, MEMCACHE);
    await fill(300);
    expect(await rig.dryRun(FOUR)).toContain("keys");
    const load = new MemcacheLoad(rig.port, 2);
    for (const numbers of [FOUR, FIVE, FOUR]) {
      await rig.changeTo(numbers, MEMCACHE);
      await rig.untilDone();
      const { requests } = load;
      await rig.until("more requests", async () => load.requests > requests + 200);
    }
    const { wrong, missing, errors, lost, requests } = await load.stop();
    expect({ wrong, missing, errors, lost }).toEqual({
      wrong: [],
      missing: [],
      errors: [],
      lost: 0,
    });
    expect(requests).toBeGreaterThan(1_000);
    expect(await misplaced(FOUR)).toEqual([]);
    const client = await connect();
    for (let i = 0; i < 300; i++) {
      const reply = await client.ask(`mg filled:${i} v f t\r\n`);
      const [, flags, ttl] = /^VA 7 f(\d+) t(\d+)\r\n/.exec(reply) ?? [];
      expect(reply).toStartWith("VA 7 ");
      await client.until("\r\n");
      expect(Number(flags)).toBe(i);
      expect(Number(ttl)).toBeGreaterThan(900 + i);
      expect(Number(ttl)).toBeLessThanOrEqual(1001 + i);
    }
  }, 120_000);

  test("never gives what was deleted or overwritten when workers and the sweeper are killed, and it is cancelled", async () => {
    await rig.startMemcacheds(4);
    await rig.start(THREE, MEMCACHE, "migrate_rate: 6");
    await fill(100);
    const load = new MemcacheLoad(rig.port, 2);
    await rig.changeTo(FOUR, MEMCACHE, "migrate_rate: 6");
    await rig.untilMoving();
    process.kill(rig.workerPids()[0]!, "SIGKILL");
    await rig.until("the sweeper", async () => rig.sweeperPid() !== null);
    process.kill(rig.sweeperPid()!, "SIGKILL");
    const { requests } = load;
    await rig.until("some requests more", async () => load.requests > requests + 300);
    await rig.until("the cancel", async () => {
      return (await rig.command("migration", "cancel", "main")).code === 0;
    });
    await rig.until("keys to be back", async () => {
      return (await rig.statuses())[0]?.phase === "declined";
    });
    const { wrong, errors } = await load.stop();
    expect({ wrong, errors }).toEqual({ wrong: [], errors: [] });
    expect(await misplaced(THREE)).toEqual([]);
  }, 120_000);

  test("has keys moved before they are used, whatever is done to them", async () => {
    await rig.startMemcacheds(4);
    await rig.start(THREE, MEMCACHE, "migrate_rate: 1");
    const client = await connect();
    const key = (prefix: string): string => keyBetween(prefix, [0, THREE], [3, FOUR]);
    for (const prefix of ["incr", "append", "add", "cas", "touch", "delete", "stale", "replace"]) {
      await client.ask(`set ${key(prefix)} 5 0 1\r\n7\r\n`);
    }
    const asked = (await client.ask(`gets ${key("cas")}\r\n`, "END\r\n")).split(/\s/)[4]!;
    await client.ask(`md ${key("stale")} I T100\r\n`);
    // A key that only the binary protocol and base64 can name.
    const odd = key("odd \nkey");
    const base64 = Buffer.from(odd, "latin1").toString("base64");
    const binary = await BinaryClient.connect({ host: "127.0.0.1", port: rig.port });
    clients.push(binary);
    await binary.ask({ opcode: 0x01, key: odd, value: "odd", extras: storageExtras(9, 500) });
    // Enough to keep the sweeper busy with others.
    await fill(60);
    await rig.changeTo(FOUR, MEMCACHE, "migrate_rate: 1");
    await rig.untilMoving();
    const again = await connect();
    expect(await again.ask(`incr ${key("incr")} 3\r\n`)).toBe("10\r\n");
    expect(await again.ask(`append ${key("append")} 0 0 1\r\nx\r\n`)).toBe("STORED\r\n");
    expect(await again.ask(`get ${key("append")}\r\n`, "END\r\n")).toContain(" 5 2\r\n7x\r\n");
    expect(await again.ask(`add ${key("add")} 0 0 1\r\nx\r\n`)).toBe("NOT_STORED\r\n");
    expect(await again.ask(`cas ${key("cas")} 0 0 1 ${asked}\r\nx\r\n`)).toBe("EXISTS\r\n");
    expect(await again.ask(`touch ${key("touch")} 100\r\n`)).toBe("TOUCHED\r\n");
    expect(await again.ask(`delete ${key("delete")}\r\n`)).toBe("DELETED\r\n");
    expect(await again.ask(`get ${key("delete")} ${key("touch")}\r\n`, "END\r\n")).toBe(
      `VALUE ${key("touch")} 5 1\r\n7\r\nEND\r\n`,
    );
    expect(await again.ask(`replace ${key("replace")} 1 0 1\r\ny\r\n`)).toBe("STORED\r\n");
    // Of what a client has called stale nothing is given to others.
    expect(await again.ask(`mg ${key("stale")} v\r\n`)).toBe("EN\r\n");
    expect(await again.ask(`mg ${base64} b v f\r\n`)).toBe("VA 3 f9\r\n");
    await again.until("odd\r\n");
    expect(await again.ask("flush_all\r\n")).toStartWith("SERVER_ERROR flush_all cannot be done");
    expect(await keysOf(3)).toContain(key("incr"));
    await rig.command("migration", "cancel", "main");
  }, 60_000);

  test("is not begun while new servers have keys that would hide others; verify finds and removes them", async () => {
    await rig.startMemcacheds(4);
    await rig.start(THREE, MEMCACHE);
    await fill(50);
    const hidden = keyBetween("hidden", [0, THREE], [3, FOUR]);
    await ask(3, `set ${hidden} 0 0 3\r\nold\r\n`);
    await rig.changeTo(FOUR, MEMCACHE);
    await rig.until("what is in the way", async () => {
      return (await rig.statuses())[0]?.problem?.includes(hidden) === true;
    });
    await ask(3, `delete ${hidden}\r\n`);
    await rig.untilDone();
    expect(await misplaced(FOUR)).toEqual([]);
    const stray = keyBetween("stray", [0, FOUR], [0, FOUR]);
    await ask(1, `set ${stray} 0 0 3\r\nold\r\n`);
    const found = await rig.command("migration", "verify", "main");
    expect(found.code).toBe(1);
    expect(found.out).toContain(stray);
    expect((await rig.command("migration", "verify", "main", "--mend", "move")).out).toContain("1");
    expect((await rig.command("migration", "verify", "main")).code).toBe(0);
    const client = await connect();
    expect(await client.ask(`get ${stray}\r\n`, "END\r\n")).toContain("old");
  }, 60_000);

  test("refuses what may still be on a server that is down, and goes on when that is there again", async () => {
    await rig.startMemcacheds(4);
    await rig.start(THREE, MEMCACHE, "migrate_rate: 1");
    const client = await connect();
    const lost = keyBetween("lost", [0, THREE], [3, FOUR]);
    await client.ask(`set ${lost} 0 0 1\r\n7\r\n`);
    await fill(60);
    await rig.changeTo(FOUR, MEMCACHE, "migrate_rate: 1");
    await rig.untilMoving();
    await rig.killServer(0);
    const again = await connect();
    expect(await again.ask(`set ${lost} 0 0 1\r\n8\r\n`)).toMatch(
      /^SERVER_ERROR the key 'lost:\d+' is still on server s0 and could not be moved/,
    );
    const { port } = rig.servers[0]!;
    rig.servers[0] = await startMemcached({ port });
    await rig.until("the key to be written", async () => {
      return (await again.ask(`set ${lost} 0 0 1\r\n9\r\n`)) === "STORED\r\n";
    });
    expect(await again.ask(`get ${lost}\r\n`, "END\r\n")).toContain("9");
  }, 60_000);
});
