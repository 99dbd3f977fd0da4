/** Every key of a Memcached pool is on the server where real twemproxy has it: what one wrote, the other one reads. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { type MemcachedServer, startMemcached } from "../support/memcached-server.ts";
import { startNutcracker } from "../support/nutcracker.ts";
import {
  type PlacementCombination,
  placementCombinations,
  placementKeys,
  poolYaml,
} from "../support/placement-combinations.ts";
import { startProxy } from "../support/proxy-process.ts";
import { type Endpoint, makeDirectory } from "../support/server-process.ts";
import { TextClient } from "../support/text-client.ts";

const BACKENDS = 5;
const KEYS = 150;
/** Pools per process: each holds connections to every server. */
const BATCH = 20;
/** Of the combinations, every so manieth: the rings themselves are compared one by one in placement-oracle.test.ts. */
const STEP = 5;

let backends: MemcachedServer[] = [];
let directory = "";

beforeAll(async () => {
  directory = makeDirectory("placement");
  backends = await Promise.all(Array.from({ length: BACKENDS }, () => startMemcached()));
});

afterAll(async () => {
  await Promise.all(backends.map((backend) => backend.stop()));
  rmSync(directory, { recursive: true, force: true });
});

/** Keys that text requests can name and nutcracker reads as we do: no blanks, no control characters. */
function textKeys(seed: number): string[] {
  return placementKeys(KEYS * 2, seed)
    .map((key) => key.toString("latin1"))
    .filter((key) => key.length > 0 && key.length <= 250 && /^[^\0-\x20\x7f]+$/.test(key));
}

async function setAll(endpoint: Endpoint, keys: readonly string[], value: string): Promise<void> {
  const client = await TextClient.connect(endpoint);
  const requests = keys.map((key) => `set ${key} 0 0 ${value.length}\r\n${value}\r\n`);
  client.send(requests.join(""));
  for (const key of keys) expect(`${key} ${await client.until("\r\n")}`).toBe(`${key} STORED\r\n`);
  client.close();
}

/** The keys that do not have `value`. */
async function missing(
  endpoint: Endpoint,
  keys: readonly string[],
  value: string,
): Promise<string[]> {
  const client = await TextClient.connect(endpoint);
  const wrong: string[] = [];
  client.send(keys.map((key) => `get ${key}\r\n`).join(""));
  for (const key of keys) {
    const reply = (await client.until("END\r\n")).toString("latin1");
    if (reply !== `VALUE ${key} 0 ${value.length}\r\n${value}\r\nEND\r\n`) wrong.push(key);
  }
  client.close();
  return wrong;
}

/** Which combinations nutcracker and the proxy do not agree on, and on how many keys. */
async function differences(
  combinations: readonly PlacementCombination[],
  servers: readonly MemcachedServer[],
): Promise<string[]> {
  const found: string[] = [];
  for (let from = 0; from < combinations.length; from += BATCH) {
    const batch = combinations.filter((_, i) => i >= from && i < from + BATCH);
    const theirs = (i: number): string => join(directory, `t${from + i}.sock`);
    const ours = (i: number): string => join(directory, `o${from + i}.sock`);
    const theirPools = batch.map((each, i) => poolYaml(`p${i}`, theirs(i), each, false));
    const ourPools = batch.map((each, i) => poolYaml(`p${i}`, ours(i), each, false));
    const nutcracker = await startNutcracker(theirPools.join(""));
    const proxy = await startProxy({ config: ourPools.join(""), args: ["--workers", "1"] });
    try {
      for (const [i, { label }] of batch.entries()) {
        const keys = textKeys(1 + from + i);
        expect(keys.length).toBeGreaterThan(KEYS / 2);
        await Promise.all(servers.map(flush));
        const [their, our] = [{ socketPath: theirs(i) }, { socketPath: ours(i) }];
        await setAll(our, keys, "ours");
        const wrong = await missing(their, keys, "ours");
        await setAll(their, keys, "theirs");
        wrong.push(...(await missing(our, keys, "theirs")));
        if (wrong.length > 0)
          found.push(`${label}: ${wrong.length} of ${keys.length}, ${wrong[0]}`);
      }
    } finally {
      await proxy.stop();
      await nutcracker.stop();
    }
  }
  return found;
}

async function flush({ host, port }: MemcachedServer): Promise<void> {
  const client = await TextClient.connect({ host, port });
  expect(await client.ask("flush_all\r\n")).toBe("OK\r\n");
  client.close();
}

describe("nutcracker 0.5.0 finds every key of a Memcached pool where the proxy put it, and the other way round", () => {
  test("hashes, distributions, tags, weights and names", async () => {
    const all = placementCombinations(backends.map((backend) => ({ ...backend, socketPath: "" })));
    const tcp = all.filter(({ servers }) => servers.every(({ address }) => address !== ""));
    const combinations = tcp.filter((_, i) => i % STEP === 0);
    expect(combinations.length).toBeGreaterThan(50);
    expect(await differences(combinations, backends)).toEqual([]);
  }, 120_000);

  test("port 11211 is not part of a server's name", async () => {
    // The whole of 127.0.0.0/8 is the loopback: addresses of our own, so that nobody else has the port.
    const net = `127.${100 + (process.pid % 100)}.${(process.pid >>> 8) % 250}`;
    const standard = await Promise.all(
      [3, 20, 100].map((host) => startMemcached({ host: `${net}.${host}`, port: 11211 })),
    );
    try {
      const servers = standard.map(({ host, port }, backend) => {
        return { address: `${host}:${port}`, weight: 1 + backend, alias: null, backend };
      });
      const combinations = (["ketama", "modula"] as const).map((distribution) => {
        const label = `11211 ${distribution}`;
        return { label, hash: "fnv1a_64" as const, distribution, hashTag: null, servers };
      });
      expect(await differences(combinations, standard)).toEqual([]);
    } finally {
      await Promise.all(standard.map((server) => server.stop()));
    }
  }, 120_000);
});
