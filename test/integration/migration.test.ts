/** Keys of a pool move along when its servers change, while clients read, write and delete them: with real servers. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { homeOf, keyBetween, MigrationRig } from "../support/migration/rig.ts";
import { VerifiedLoad } from "../support/migration/verified-load.ts";

const THREE = [0, 1, 2];
const FOUR = [0, 1, 2, 3];

let rig = new MigrationRig();

beforeEach(() => {
  rig = new MigrationRig();
});

afterEach(() => rig.stop());

describe("a pool with migrate: true", () => {
  test("moves all keys to a server that comes and away from one that goes, under load", async () => {
    await rig.startServers(4);
    await rig.start(THREE);
    const asks = await rig.fill(15);
    const before = await rig.answers(asks);
    expect(await rig.dryRun(FOUR)).toMatch(/and move there: \d\d+ keys, .* s at least/);
    const load = new VerifiedLoad(rig.port, 6);
    await rig.changeTo(FOUR);
    await rig.untilDone();
    expect(await rig.misplaced(FOUR, 3)).toEqual([]);
    await rig.changeTo(THREE);
    await rig.untilDone();
    const report = await load.stop();
    expect({ wrong: report.wrong, errors: report.errors, lost: report.lost }).toEqual({
      ...{ wrong: [], errors: [], lost: 0 },
    });
    expect(report.requests).toBeGreaterThan(100);
    expect(await rig.misplaced(THREE)).toEqual([]);
    expect(await rig.misplaced(THREE, 3)).toEqual([]);
    expect(await rig.answers(asks)).toEqual(before);
    const client = await rig.connect();
    const ttl = Number((await client.ask("TTL", "string:0")).substring(1));
    expect(ttl).toBeGreaterThan(900);
    expect(ttl).toBeLessThanOrEqual(1000);
  }, 120_000);

  test("goes on when a worker and the sweeper are killed, and back when it is cancelled", async () => {
    await rig.startServers(4);
    await rig.start(THREE, "migrate_rate: 30");
    const asks = await rig.fill(15);
    const before = await rig.answers(asks);
    const load = new VerifiedLoad(rig.port, 6);
    await rig.changeTo(FOUR, "migrate_rate: 30");
    await rig.untilMoving();
    process.kill(rig.workerPids()[0]!, "SIGKILL");
    await rig.until("the sweeper", async () => rig.sweeperPid() !== null);
    process.kill(rig.sweeperPid()!, "SIGKILL");
    const { requests } = load;
    await rig.until("some requests more", async () => load.requests > requests + 500);
    await rig.until("the cancel", async () => {
      return (await rig.command("migration", "cancel", "main")).code === 0;
    });
    await rig.until("keys to be back", async () => {
      return (await rig.statuses())[0]?.phase === "declined";
    });
    const later = load.requests;
    await rig.until("some requests more", async () => load.requests > later + 200);
    const report = await load.stop();
    expect({ wrong: report.wrong, errors: report.errors }).toEqual({ wrong: [], errors: [] });
    expect(await rig.misplaced(THREE)).toEqual([]);
    expect(await rig.misplaced(THREE, 3)).toEqual([]);
    expect(await rig.answers(asks)).toEqual(before);
    const client = await rig.connect();
    for (const [key, value] of load.expected) {
      const reply = value === null ? "$-1\r\n" : `$${value.length}\r\n${value}\r\n`;
      expect(`${key} ${await client.ask("GET", key)}`).toBe(`${key} ${reply}`);
    }
  }, 120_000);

  test("serves every command rightly while keys wait to be asked for, also after a crash", async () => {
    await rig.startServers(4);
    await rig.start(THREE);
    const client = await rig.connect();
    const leaving = (prefix: string): string => keyBetween(prefix, [0, THREE], [3, FOUR]);
    const all = Array.from({ length: 2_000 }, (_, i) => `key:${i}`);
    const names = [
      ...all.filter((name) => homeOf(name, FOUR) !== 3).slice(0, 20),
      ...all.filter((name) => homeOf(name, FOUR) === 3).slice(0, 20),
    ];
    await client.ask("MSET", ...names.flatMap((name) => [name, `of ${name}`]));
    const [transaction, watcher, blocked] = [
      ...[await rig.connect(), await rig.connect(), await rig.connect()],
    ] as const;
    await transaction.ask("MULTI");
    expect(await transaction.ask("SET", leaving("tx"), "lost")).toBe("+QUEUED\r\n");
    await watcher.ask("WATCH", leaving("watched"));
    blocked.command(["BLPOP", leaving("queue"), "0"]);
    await rig.changeTo(FOUR);
    expect((await rig.command("migration", "pause", "main")).code).toBe(0);
    await rig.untilMoving();
    expect(await transaction.ask("EXEC")).toStartWith("-EXECABORT");
    await watcher.ask("MULTI");
    expect(await watcher.ask("EXEC")).toBe("*-1\r\n");
    expect(`${await blocked.reply()}`).toStartWith("-UNBLOCKED");
    const moved = names.find((name) => homeOf(name, FOUR) === 3)!;
    expect((await rig.placesOfKeys()).get(moved)).not.toEqual([3]);
    expect(await client.ask("GET", moved)).toBe(`$${moved.length + 3}\r\nof ${moved}\r\n`);
    expect((await rig.placesOfKeys()).get(moved)).toEqual([3]);
    expect(await client.ask("SWAPDB", "0", "1")).toContain(
      "cannot be done while keys of this pool are moved",
    );
    expect(await scanned(client)).toEqual(new Set(names));
    expect(await client.ask("DBSIZE")).toBe(`:${names.length}\r\n`);
    const [last = ""] = names.filter((name) => homeOf(name, FOUR) === 3).slice(-1);
    expect(await client.ask("EVAL", "return redis.call('APPEND',KEYS[1],'!')", "1", last)).toBe(
      `:${last.length + 4}\r\n`,
    );
    await transaction.ask("MULTI");
    await transaction.ask("INCR", leaving("count"));
    expect(await transaction.ask("EXEC")).toBe("*1\r\n:1\r\n");
    await rig.crash();
    expect((await rig.statuses())[0]).toMatchObject({ phase: "moving", isPaused: true });
    const later = await rig.connect();
    expect(await later.ask("GET", leaving("count"))).toBe("$1\r\n1\r\n");
    expect((await rig.command("migration", "resume", "main")).code).toBe(0);
    await rig.untilDone();
    expect(await rig.misplaced(FOUR)).toEqual([]);
    expect(await later.ask("GET", last)).toContain(`of ${last}!`);
    expect(await later.ask("EXISTS", ...names)).toBe(`:${names.length}\r\n`);
  }, 120_000);

  test("has KEYS name each key once, and FLUSHALL leave none, while they move", async () => {
    await rig.startServers(3);
    const slowly = "migrate_rate: 100";
    await rig.start([0, 1], slowly);
    const client = await rig.connect();
    const names = Array.from({ length: 600 }, (_, i) => `${(i * 2_654_435_761) % 2 ** 32}:key`);
    await client.ask("MSET", ...names.flatMap((name) => [name, "v"]));
    await rig.changeTo([0, 1, 2], slowly);
    await rig.untilMoving();
    let looks = 0;
    while ((await rig.statuses()).length > 0) {
      for (let i = 0; i < 10; i++) {
        const reply = await client.ask("KEYS", "*");
        const found = [...reply.matchAll(/\$\d+\r\n([^\r]*)\r\n/g)].map(([, key]) => key!);
        expect(found.sort()).toEqual(names.toSorted());
        looks++;
      }
    }
    expect(looks).toBeGreaterThan(10);
    expect(await rig.misplaced([0, 1, 2])).toEqual([]);
    await rig.changeTo([0, 1], slowly);
    await rig.untilMoving();
    client.command(["FLUSHALL"], ["SET", "after", "it"]);
    expect([`${await client.reply()}`, `${await client.reply()}`]).toEqual(["+OK\r\n", "+OK\r\n"]);
    await rig.untilDone();
    const homes = new Map([["after", [homeOf("after", [0, 1])]]]);
    await rig.until("locks to be gone", async () => (await rig.placesOfKeys()).size === 1);
    expect(await rig.placesOfKeys()).toEqual(homes);
  }, 60_000);

  test("changes nothing as long as the new server has keys that would hide others", async () => {
    await rig.startServers(2);
    const key = keyBetween("k", [0, [0]], [1, [0, 1]]);
    await rig.start([0]);
    const [client, direct] = [await rig.connect(), await rig.connect(rig.servers[1]!.port)];
    await client.ask("SET", key, "right");
    await direct.ask("SET", key, "old");
    await rig.changeTo([0, 1]);
    await rig.until("the problem", async () => {
      return (await rig.statuses())[0]?.problem?.includes(`such as ${key}`) === true;
    });
    expect(await client.ask("GET", key)).toBe("$5\r\nright\r\n");
    await direct.ask("DEL", key);
    await rig.untilDone();
    expect(await client.ask("GET", key)).toBe("$5\r\nright\r\n");
    expect((await rig.placesOfKeys()).get(key)).toEqual([1]);
  }, 60_000);
});

async function scanned(client: Awaited<ReturnType<MigrationRig["connect"]>>): Promise<Set<string>> {
  const found = new Set<string>();
  let cursor = "0";
  do {
    const reply = await client.ask("SCAN", cursor, "COUNT", "3");
    cursor = /^\*2\r\n\$\d+\r\n(\d+)\r\n/.exec(reply)![1]!;
    const keys = reply.substring(reply.indexOf("\r\n*") + 2);
    for (const [, key] of keys.matchAll(/\$\d+\r\n([^\r]*)\r\n/g)) found.add(key!);
  } while (cursor !== "0");
  return found;
}
