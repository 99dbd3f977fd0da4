/** Several proxies with the same servers agree through a real etcd on a change of these, under verified load at both. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { type Host, HostsRig } from "../support/migration/hosts-rig.ts";
import { keyBetween } from "../support/migration/rig.ts";
import { VerifiedLoad } from "../support/migration/verified-load.ts";

const TWO = [0, 1];
const THREE = [0, 1, 2];

let rig = new HostsRig();

beforeEach(() => {
  rig = new HostsRig();
});

afterEach(() => rig.stop());

const both = (): readonly [Host, Host] => [rig.hosts[0]!, rig.hosts[1]!];

describe("two hosts with the same servers", () => {
  test("change together when both want it, with clients at both", async () => {
    await rig.start(3, TWO);
    const [one, other] = both();
    const load = new VerifiedLoad([one.port, other.port], 6);
    await one.changeTo(THREE);
    await rig.until("the other host to be waited for", async () => {
      return (await one.hosts()).problem?.includes("have the same servers") === true;
    });
    expect(await one.statuses()).toEqual([]);
    await other.changeTo(THREE);
    await rig.until(
      "the change",
      async () => (await rig.rig.placesOfKeys()).size > 0 && (await one.statuses()).length > 0,
    );
    await rig.untilAtRest();
    const { wrong, errors, lost, requests } = await load.stop();
    expect({ wrong, errors, lost }).toEqual({ wrong: [], errors: [], lost: 0 });
    expect(requests).toBeGreaterThan(100);
    expect(await rig.rig.misplaced(THREE)).toEqual([]);
    const { hosts, problem } = await other.hosts();
    expect(problem).toBeNull();
    expect(hosts.map(({ isHeard, isReady }) => isHeard && isReady)).toEqual([true, true]);
    expect((await one.command("status")).out).toContain("(this one): ready");
  }, 180_000);

  test("go on while one is killed and started, and etcd is away, in the middle of a move", async () => {
    await rig.start(3, TWO, "migrate_rate: 40");
    const [one, other] = both();
    const asks = await rig.rig.fill(40);
    const before = await rig.rig.answers(asks);
    const load = new VerifiedLoad([one.port, other.port], 6);
    await rig.changeTo(THREE);
    await rig.untilMoving();
    await other.kill();
    await rig.etcd.stop();
    // It knows by itself that no ring has changed without it.
    await other.startAgain();
    const { requests } = load;
    await rig.until("etcd to be away for ten seconds", async () => {
      return ((await one.hosts()).heardAgoMs ?? 0) > 10_000;
    });
    await rig.until("some requests more", async () => load.requests > requests + 500);
    expect((await one.hosts()).problem).toContain(rig.etcd.url);
    expect((await one.command("migration", "cancel", "main")).code).toBe(1);
    expect(await rig.rig.answers(asks, other.port)).toEqual(before);
    await rig.etcd.start();
    await rig.untilAtRest();
    const report = await load.stop();
    expect({ wrong: report.wrong, errors: report.errors }).toEqual({ wrong: [], errors: [] });
    expect(await rig.rig.misplaced(THREE)).toEqual([]);
    expect(await rig.rig.misplaced(THREE, 3)).toEqual([]);
    expect(await rig.rig.answers(asks)).toEqual(before);
  }, 240_000);

  test("refuse requests after a yes whose end they do not hear, and know where keys are when they do", async () => {
    await rig.start(3, TWO);
    const hosts = both();
    const hiding = keyBetween("k", [0, TWO], [2, THREE]);
    const hidden = await rig.rig.connect(rig.rig.servers[2]!.port);
    await hidden.ask("SET", hiding, "old");
    await rig.changeTo(THREE);
    await rig.until("the key that is in the way", async () => {
      const all = await Promise.all(hosts.map((host) => host.statuses()));
      return all.some(([status]) => status?.problem?.includes(`such as ${hiding}`) === true);
    });
    const ids = await Promise.all(hosts.map(async (host) => (await host.hosts()).id));
    // The first one sweeps; the other one says no more.
    const [asks, silent] = ids[0]! < ids[1]! ? hosts : [hosts[1], hosts[0]];
    const load = new VerifiedLoad([asks.port, silent.port], 4);
    process.kill(silent.pid, "SIGSTOP");
    await hidden.ask("DEL", hiding);
    await rig.until("the first yes", async () => (await rig.shared())?.hold?.quiet.length === 1);
    process.kill(rig.etcd.pid, "SIGSTOP");
    const client = await rig.rig.connect(asks.port);
    const elsewhere = await rig.rig.connect(silent.port);
    await rig.until("requests to be refused", async () => {
      return (await client.ask("GET", hiding)).startsWith(
        "-TRYAGAIN this proxy cannot hear from etcd",
      );
    });
    expect(await client.ask("PING")).toBe("+PONG\r\n");
    expect(await client.ask("MULTI")).toBe("+OK\r\n");
    expect(await client.ask("SET", hiding, "x")).toStartWith("-TRYAGAIN");
    expect(await client.ask("EXEC")).toStartWith("-EXECABORT");
    expect(await elsewhere.ask("SET", hiding, "new")).toBe("+OK\r\n");
    process.kill(rig.etcd.pid, "SIGCONT");
    process.kill(silent.pid, "SIGCONT");
    await rig.untilAtRest();
    const { wrong, errors } = await load.stop();
    expect(wrong).toEqual([]);
    expect(errors.filter((error) => !error.includes("TRYAGAIN this proxy cannot hear"))).toEqual(
      [],
    );
    expect(errors).not.toEqual([]);
    expect(await client.ask("GET", hiding)).toBe("$3\r\nnew\r\n");
    expect(await rig.rig.misplaced(THREE)).toEqual([]);
  }, 240_000);

  test("wait for one that has died, until it is there again or an operator says that it is gone", async () => {
    await rig.start(3, TWO);
    const [one, other] = both();
    const { id } = await other.hosts();
    expect((await one.command("migration", "forget", id)).err).toContain(
      "is there: stop its proxy",
    );
    await other.changeTo(THREE);
    await other.kill();
    await one.changeTo(THREE);
    await rig.until("the other host to be silent", async () => {
      return (await one.hosts()).problem?.includes(`nothing is heard of ${id}`) === true;
    });
    expect((await one.command("migration", "forget", "nobody")).err).toContain('no host "nobody"');
    expect((await one.command("migration", "forget", id)).code).toBe(0);
    await rig.until("the change", async () => (await rig.shared())!.record.epoch === 1);
    await rig.until("all keys to be at home", async () => (await one.statuses()).length === 0);
    expect((await one.hosts()).hosts.map((host) => host.id)).not.toContain(id);
    await rig.etcd.stop();
    // Its file is older than the change, and it does not know that.
    const fresh = await rig.add(THREE);
    const client = await rig.rig.connect(fresh.port);
    expect(await client.ask("GET", "k")).toStartWith("-TRYAGAIN this proxy cannot hear from etcd");
    await rig.etcd.start();
    await rig.until(
      "it to hear of the others",
      async () => (await client.ask("GET", "k")) === "$-1\r\n",
    );
    await fresh.stopByItself();
    await rig.until("it to have left", async () => (await one.hosts()).hosts.length === 1);
  }, 240_000);
});
