/** What becomes of keys that move when a server is full, killed, or refuses what it is asked: with real servers. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { homeOf, MigrationRig } from "../support/migration/rig.ts";

let rig = new MigrationRig();

beforeEach(() => {
  rig = new MigrationRig();
});

afterEach(() => rig.stop());

/** Spread over all servers, which names that are nearly the same are not. */
const names = Array.from({ length: 120 }, (_, i) => {
  return `${(((i + 1) * 2_654_435_761) % 2 ** 32).toString(36)}:key`;
});

/** Those that the servers `before` have on `from`, and the servers `after` on `to`. */
function between(
  [from, before]: readonly [number, readonly number[]],
  [to, after]: readonly [number, readonly number[]],
): string[] {
  return names.filter((name) => homeOf(name, before) === from && homeOf(name, after) === to);
}

async function fill(): Promise<void> {
  const client = await rig.connect();
  for (const name of names) await client.ask("SET", name, `of ${name}`);
}

const ask = async (...words: readonly string[]): Promise<string> => {
  return await (await rig.connect()).ask(...words);
};

const bulk = (text: string): string => `$${text.length}\r\n${text}\r\n`;

async function expectAll(numbers: readonly number[]): Promise<void> {
  expect(await rig.misplaced(numbers)).toEqual([]);
  const reply = await ask("MGET", ...names);
  expect(reply).toBe(`*${names.length}\r\n${names.map((name) => bulk(`of ${name}`)).join("")}`);
}

/** Status says why keys do not move, to programs and to people. */
async function untilInTheWay(text: string): Promise<void> {
  await rig.until(`a problem: ${text}`, async () => {
    return (await rig.statuses())[0]?.problem?.includes(text) === true;
  });
  expect((await rig.command("migration", "status")).out).toContain("in the way:");
}

async function untilTakenBack(): Promise<void> {
  await rig.until("the cancel", async () => {
    return (await rig.command("migration", "cancel", "main")).code === 0;
  });
  await rig.until("keys to be back", async () => {
    return (await rig.statuses())[0]?.phase === "declined";
  });
}

const setting = async (server: number, name: string, value: string): Promise<void> => {
  const client = await rig.connect(rig.servers[server]!.port);
  expect(await client.ask("CONFIG", "SET", name, value)).toBe("+OK\r\n");
};

describe("keys that move", () => {
  test("wait for room on a full server, go back, and leave servers that are full; a refused password changes nothing", async () => {
    const withoutMigrate = ["--rename-command", "MIGRATE", ""];
    await rig.startServers(3, withoutMigrate);
    await rig.startServers(1, ["--requirepass", "other"]);
    await rig.start([0, 1]);
    await fill();
    const [moving = ""] = between([0, [0, 1]], [2, [0, 1, 2]]);
    const [staying = ""] = between([0, [0, 1]], [0, [0, 1, 2]]);
    await setting(2, "maxmemory", "1");
    await rig.changeTo([0, 1, 2]);
    await untilInTheWay("OOM");
    expect(await ask("GET", moving)).toMatch(/^-TRYAGAIN .* still on server s0 .* OOM /);
    expect(await ask("SET", moving, "no")).toStartWith("-TRYAGAIN");
    expect(await ask("GET", staying)).toBe(bulk(`of ${staying}`));
    await untilTakenBack();
    await expectAll([0, 1]);

    // Servers that are full are why others are added.
    await setting(2, "maxmemory", "0");
    for (const server of [0, 1]) await setting(server, "maxmemory", "1");
    await rig.changeTo([0, 1, 2]);
    await rig.untilDone();
    await expectAll([0, 1, 2]);
    for (const server of [0, 1]) await setting(server, "maxmemory", "0");
    await setting(2, "maxmemory", "1");
    await rig.changeTo([0, 1]);
    await rig.untilDone();
    await expectAll([0, 1]);

    await rig.changeTo([0, 1, 3]);
    await untilInTheWay("NOAUTH");
    expect((await rig.statuses())[0]?.phase).toBe("before");
    await expectAll([0, 1]);
    const admin = await rig.connect(rig.servers[3]!.port);
    await admin.ask("AUTH", "other");
    expect(await admin.ask("CONFIG", "SET", "requirepass", "")).toBe("+OK\r\n");
    await rig.untilDone();
    await expectAll([0, 1, 3]);
  }, 120_000);

  test("wait for a server that was killed, whether they leave it or go there, and all others go on", async () => {
    await rig.startLastingServers(4);
    await rig.start([0, 1, 2]);
    await fill();
    const three = [0, 1, 2];
    const all = [0, 1, 2, 3];
    const [fromKilled = ""] = between([0, three], [3, all]);
    const [fromOther = "", another = ""] = between([1, three], [3, all]);
    await rig.changeTo(all);
    expect((await rig.command("migration", "pause", "main")).code).toBe(0);
    await rig.untilMoving();
    await rig.killServer(0);
    expect(await ask("GET", fromKilled)).toMatch(/^-TRYAGAIN .* still on server s0 /);
    expect(await ask("GET", fromOther)).toBe(bulk(`of ${fromOther}`));
    expect((await rig.command("migration", "resume", "main")).code).toBe(0);
    await untilInTheWay(`server 127.0.0.1:${rig.servers[0]!.port}`);
    await rig.reviveServer(0);
    await rig.untilDone();
    await expectAll(all);

    await rig.changeTo(three);
    await rig.untilDone();
    await rig.changeTo(all);
    expect((await rig.command("migration", "pause", "main")).code).toBe(0);
    await rig.untilMoving();
    expect(await ask("GET", fromOther)).toBe(bulk(`of ${fromOther}`));
    await rig.killServer(3);
    expect(await ask("GET", another)).toMatch(/^-TRYAGAIN .* still on server s1 /);
    expect(await ask("GET", fromOther)).toStartWith("-");
    await rig.until("the cancel", async () => {
      return (await rig.command("migration", "cancel", "main")).code === 0;
    });
    await untilInTheWay(`server 127.0.0.1:${rig.servers[3]!.port}`);
    // It may have been written there.
    expect(await ask("GET", another)).toMatch(/^-TRYAGAIN .* still on server s3 /);
    await rig.reviveServer(3);
    await rig.until("keys to be back", async () => {
      return (await rig.statuses())[0]?.phase === "declined";
    });
    await expectAll(three);
  }, 120_000);
});
