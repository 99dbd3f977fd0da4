/** How servers are found: what sources say, what it changes, and which servers leave. */

import { afterEach, expect, test } from "bun:test";
import type { promises } from "node:dns";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ServerConfig } from "../../../src/api/config.ts";
import { schedule } from "../../../src/base/schedule.ts";
import { parseDiscovery } from "../../../src/config/discovery-source.ts";
import { merge, removableOf } from "../../../src/topology/discovery/changes.ts";
import {
  endOfClusterConfig,
  readClusterConfig,
} from "../../../src/topology/discovery/cluster-config.ts";
import { Departures } from "../../../src/topology/discovery/departures.ts";
import { readKept, writeKept } from "../../../src/topology/discovery/kept-servers.ts";
import { NameService } from "../../../src/topology/discovery/name-service.ts";
import { formatServerList, readServerList } from "../../../src/topology/discovery/server-list.ts";
import { askSource, type Exchange } from "../../../src/topology/discovery/source.ts";
import { DnsServer } from "../../support/dns-server.ts";
import { makeDirectory } from "../../support/server-process.ts";

const stops: (() => void)[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop();
});

function server(name: string, host = name, weight = 1): ServerConfig {
  return { name, address: { kind: "tcp", host, port: 6379 }, weight };
}

const NO_EXCHANGE: Exchange = () => Promise.reject(new Error("not asked"));

async function ask(
  text: string,
  { resolver = null, configured = [], known = [], exchange = NO_EXCHANGE }: AskOptions = {},
): Promise<string[]> {
  const source = parseDiscovery(text);
  if (typeof source === "string") throw new Error(source);
  const soon: typeof schedule = (delayMs, callback) => schedule(delayMs / 10, callback);
  const asking = {
    source,
    discovery: { resolvers: resolver === null ? null : [resolver] },
    configured,
    schedule: soon,
    exchange,
  };
  const { servers, ttlMs } = await askSource(asking, known);
  return [...formatServerList(servers).trimEnd().split("\n"), `ttl ${ttlMs}`];
}

interface AskOptions {
  readonly resolver?: string | null;
  readonly configured?: readonly ServerConfig[];
  readonly known?: readonly ServerConfig[];
  readonly exchange?: Exchange;
}

async function nameServer(): Promise<DnsServer> {
  const dns = await DnsServer.start();
  stops.push(() => dns.stop());
  return dns;
}

test("each address of a name is a server, and the shortest time to live counts", async () => {
  const dns = await nameServer();
  const options = { resolver: dns.address };
  dns.set("caches.test", [
    { type: "A", ttl: 30, data: "10.0.0.2" },
    { type: "A", ttl: 7, data: "10.0.0.1" },
    { type: "AAAA", ttl: 1, data: "::1" },
  ]);
  expect(await ask("dns:caches.test:11211", options)).toEqual([
    "10.0.0.1:11211:1 10.0.0.1",
    "10.0.0.2:11211:1 10.0.0.2",
    "ttl 7000",
  ]);
  dns.set("six.test", [{ type: "AAAA", ttl: 9, data: "::1" }]);
  expect(await ask("dns:six.test:6379", options)).toEqual(["[::1]:6379:1 [::1]:6379", "ttl 9000"]);
});

test("of SRV records those with the best priority are servers, with their weights, and stay where they are", async () => {
  const dns = await nameServer();
  const record = { type: "SRV", ttl: 60, port: 7000 } as const;
  dns.set("_redis._tcp.test", [
    { ...record, data: "a.test", priority: 1, weight: 3 },
    { ...record, data: "b.test", priority: 1, weight: 0 },
    { ...record, data: "spare.test", priority: 2, weight: 1 },
  ]);
  dns.set("a.test", [{ type: "A", ttl: 5, data: "10.0.0.1" }]);
  dns.set("b.test", [
    { type: "A", ttl: 9, data: "10.0.0.2" },
    { type: "A", ttl: 9, data: "10.0.0.3" },
  ]);
  const options = { resolver: dns.address };
  const known = [server("b.test:7000", "10.0.0.3")];
  expect(await ask("srv:_redis._tcp.test", options)).toEqual([
    "10.0.0.1:7000:3 a.test:7000",
    "10.0.0.2:7000:1 b.test:7000",
    "ttl 5000",
  ]);
  const again = await ask("srv:_redis._tcp.test", { ...options, known });
  expect(again).toContain("10.0.0.3:7000:1 b.test:7000");
});

test("what is no answer names no servers: it fails, in words, and in time", async () => {
  const dns = await nameServer();
  const options = { resolver: dns.address };
  dns.set("empty.test", []);
  expect(ask("dns:none.test:6379", options)).rejects.toThrow("none.test: the name does not exist");
  expect(ask("dns:empty.test:6379", options)).rejects.toThrow("empty.test:");
  expect(ask("srv:none.test", options)).rejects.toThrow("none.test: the name does not exist");
  dns.isFailing = true;
  await expect(ask("dns:empty.test:6379", options)).rejects.toThrow("the name server failed");
  dns.isSilent = true;
  await expect(ask("dns:empty.test:6379", options)).rejects.toThrow("answered in time");
});

test("names that the configuration lists are resolved; one that cannot be leaves its server where it is", async () => {
  const dns = await nameServer();
  dns.set("a.test", [{ type: "A", ttl: 5, data: "10.0.0.9" }]);
  const configured = [
    server("one", "a.test", 2),
    server("two", "b.test"),
    server("three", "10.9.9.9"),
  ];
  const known = [server("one", "10.0.0.1", 2), server("two", "10.0.0.2")];
  expect(await ask("names", { resolver: dns.address, configured, known })).toEqual([
    "10.0.0.9:6379:2 one",
    "10.0.0.2:6379:1 two",
    "10.9.9.9:6379:1 three",
    "ttl 5000",
  ]);
});

test("a file lists servers as a configuration does, and one line in error says nothing of who has gone", async () => {
  const path = join(makeDirectory("discovery"), "servers");
  writeFileSync(
    path,
    "# ours\n10.0.0.1:6379:1 a\n\n- 10.0.0.2:6379:2 b # new\n10.0.0.3:6379\n/run/x.sock:1 x\n[::1]:7\n",
  );
  expect(await ask(`file:${path}`)).toEqual([
    "10.0.0.1:6379:1 a",
    "10.0.0.2:6379:2 b",
    "10.0.0.3:6379:1 10.0.0.3:6379",
    "/run/x.sock:1 x",
    "[::1]:7:1 [::1]:7",
    "ttl null",
  ]);
  for (const [text, fault] of [
    ["10.0.0.1:6379:1 a\nnonsense\n", "line 2: "],
    ["10.0.0.1:6379:1 a\n10.0.0.2:6379:1 a\n", "line 2: a again"],
    ["# all gone\n", "names no server"],
  ] as const) {
    writeFileSync(path, text);
    await expect(ask(`file:${path}`)).rejects.toThrow(fault);
  }
  await expect(ask("file:/nowhere/servers")).rejects.toThrow("ENOENT");
});

test("a configuration endpoint names its nodes", async () => {
  const reply = Buffer.from(
    "CONFIG cluster 0 64\r\n12\nn1.cache|10.0.0.1|11211 n2.cache||11212 |10.0.0.3|11211\n\r\nEND\r\n",
  );
  for (let length = 0; length < reply.length; length++) {
    expect(endOfClusterConfig(reply.subarray(0, length))).toBe(0);
  }
  expect(endOfClusterConfig(Buffer.concat([reply, Buffer.from("more")]))).toBe(reply.length);
  const exchange: Exchange = (_address, request) => {
    expect(String(request)).toBe("config get cluster\r\n");
    return Promise.resolve(reply);
  };
  expect(await ask("endpoint:cfg.cache:11211", { exchange })).toEqual([
    "10.0.0.1:11211:1 n1.cache",
    "n2.cache:11212:1 n2.cache:11212",
    "10.0.0.3:11211:1 10.0.0.3",
    "ttl null",
  ]);
  expect(endOfClusterConfig(Buffer.from("ERROR\r\nx"))).toBe(7);
  for (const bad of [
    "ERROR\r\n",
    "CONFIG cluster 0 3\r\nx\n\r\nEND\r\n",
    "CONFIG cluster 0 9\r\n1\na|b\n\r\nEND\r\n",
  ]) {
    expect(() => readClusterConfig(Buffer.from(bad))).toThrow();
  }
});

test("servers come at once, and those that are not named any more stay", () => {
  const known = [server("a"), server("b"), server("c")];
  const merged = merge(known, [server("b"), server("c", "c2"), server("d")]);
  expect(merged.servers.map(({ name }) => name)).toEqual(["b", "c", "d", "a"]);
  expect(merged.added).toEqual(["d"]);
  expect(merged.changed).toEqual(["c"]);
  expect(merged.missing).toEqual(["a"]);
});

test("a tenth leaves at a time, one at least, and never the last one", () => {
  expect([1, 2, 9, 20, 100].map(removableOf)).toEqual([0, 1, 1, 2, 10]);
});

test("only what cannot be connected leaves, twice in a row, once in an interval", async () => {
  const alive = new Set(["a"]);
  const departures = new Departures({
    ...{ removes: "dead", intervalMs: 10 },
    isReachable: ({ name }) => Promise.resolve(alive.has(name)),
  });
  const missing = [server("a"), server("b"), server("c")];
  expect(await departures.choose(missing, 10, 0)).toEqual([]);
  expect(await departures.choose(missing, 10, 9)).toEqual([]);
  alive.add("b");
  expect(await departures.choose(missing, 10, 10)).toEqual(["c"]);
  alive.clear();
  expect(await departures.choose(missing, 10, 20)).toEqual(["c"]);
  expect(await departures.choose(missing, 1, 30)).toEqual([]);
  // One that was found again begins anew.
  expect(await departures.choose([missing[2]!], 10, 40)).toEqual(["c"]);
  expect(await departures.choose([missing[0]!], 10, 50)).toEqual([]);
});

test("on request all that are not listed leave, as slowly", async () => {
  const isReachable = (): Promise<boolean> => Promise.reject(new Error("not asked"));
  const departures = new Departures({ removes: "unlisted", intervalMs: 10, isReachable });
  const missing = [server("a"), server("b"), server("c")];
  expect(await departures.choose(missing, 20, 0)).toEqual(["a", "b"]);
  expect(await departures.choose(missing, 20, 5)).toEqual([]);
  expect(await departures.choose([missing[2]!], 18, 10)).toEqual(["c"]);
});

test("what was found is kept, and read again", async () => {
  const path = join(makeDirectory("discovery"), "kept");
  expect(readKept(path)).toEqual([]);
  const servers = [server("a", "10.0.0.1", 3), server("b", "::1")];
  await writeKept(path, servers);
  expect(readKept(path)).toEqual(servers);
  await expect(writeKept("/nowhere/kept", servers)).rejects.toThrow("ENOENT");
});

test("a name of the hosts file is found also when no name server answers", async () => {
  const schedule = (ms: number, run: () => void) => {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  };
  const refuses = () => Promise.reject(Object.assign(new Error("no"), { code: "ECONNREFUSED" }));
  const resolver = { resolve4: refuses, resolve6: refuses, cancel() {}, setServers() {} };
  const create = () => resolver as unknown as promises.Resolver;
  const system = new NameService(null, schedule, 10_000, create);
  expect((await system.addressesOf("localhost")).addresses).toContain("127.0.0.1");
  // Servers that were named are asked, and nothing else.
  const named = new NameService(["127.0.0.1:1"], schedule, 10_000, create);
  await expect(named.addressesOf("localhost")).rejects.toThrow("the name server cannot be reached");
});

test("remarks and weights in lists", () => {
  expect(readServerList("  \n# x\n")).toEqual([]);
  expect(() => readServerList("10.0.0.1:1:0 a")).toThrow("line 1: the weight");
});

test("how it is written in a configuration", () => {
  expect(parseDiscovery("dns:a.b:6379")).toEqual({ kind: "dns", host: "a.b", port: 6379 });
  expect(parseDiscovery("srv:_r._tcp.a.b")).toEqual({ kind: "srv", name: "_r._tcp.a.b" });
  expect(parseDiscovery("file:/a")).toEqual({ kind: "file", path: "/a" });
  expect(parseDiscovery("names")).toEqual({ kind: "names" });
  expect(parseDiscovery("endpoint:a:11211")).toMatchObject({ kind: "endpoint" });
  for (const bad of [
    "",
    "dns",
    "dns:a",
    "dns:a:0",
    "srv:",
    "srv:a b",
    "file:a",
    "http://a",
    "endpoint:/a",
  ]) {
    expect(typeof parseDiscovery(bad)).toBe("string");
  }
});
