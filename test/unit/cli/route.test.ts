import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import type { PoolConfig } from "../../../src/api/config.ts";
import { routeKeys } from "../../../src/cli/key-route.ts";
import { formatKey, parseKey } from "../../../src/cli/key-text.ts";
import { ringShares } from "../../../src/cli/ring-share.ts";
import { initHashes } from "../../../src/hash/hash-function.ts";
import { loadConfig } from "../../support/load-config.ts";

function pool(options: string, ...servers: string[]): PoolConfig {
  const text = `pools: { p: { listen: "l:1", ${options} servers: ${JSON.stringify(servers)} } }`;
  return loadConfig(text, "F").config!.pools[0]!;
}

let directory = "";
beforeAll(async () => {
  await initHashes();
  directory = mkdtempSync(join(tmpdir(), "route-"));
  const file = "pools: { alpha: { listen: h:1, servers: [h:2:1 a, h:3:1 b] } }";
  writeFileSync(join(directory, "proxy.yaml"), file);
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function route(...rawArgs: string[]): { code: number; out: string; err: string } {
  const module = new URL("../../../src/cli/route.ts", import.meta.url).pathname;
  const citty = Bun.resolveSync("citty", import.meta.dir);
  const script = `import { routeCommand } from ${JSON.stringify(module)}; import { runCommand } from ${JSON.stringify(citty)}; await runCommand(routeCommand, { rawArgs: ${JSON.stringify(rawArgs)} });`;
  const result = Bun.spawnSync([process.execPath, "-e", script], {
    cwd: directory,
    stdout: "pipe",
    stderr: "pipe",
  });
  return { code: result.exitCode, out: result.stdout.toString(), err: result.stderr.toString() };
}

// Known placements: fnv1a_64 and ketama of nutcracker 0.5.0.
test("keys go where nutcracker puts them", () => {
  const ring = pool("", "127.0.0.1:7001:1", "127.0.0.1:7002:2", "127.0.0.1:7003:3");
  const routes = routeKeys(
    ring,
    ["apple", "foo", "bar"].map((key) => Buffer.from(key)),
  );
  expect(routes.map((found) => [found.key, found.server])).toEqual([
    ["apple", "127.0.0.1:7002"],
    ["foo", "127.0.0.1:7003"],
    ["bar", "127.0.0.1:7001"],
  ]);
  expect(routes[0]!.hash).toBe(1488911807);
  expect(routes[0]!.point).toBeGreaterThanOrEqual(1488911807);
});

test("the hashed part is what the tag encloses", () => {
  const [tagged, plain, empty] = routeKeys(
    pool('hash_tag: "{}",', "h:2:1 a", "h:3:1 b"),
    ["user:{42}:x", "42", "{}z"].map((key) => Buffer.from(key)),
  );
  expect([tagged!.hashed, plain!.hashed, empty!.hashed]).toEqual(["42", "42", "{}z"]);
  expect([tagged!.hash, tagged!.server]).toEqual([plain!.hash, plain!.server]);
});

test("modula tells the slot, random no server", () => {
  const [modula] = routeKeys(pool("distribution: modula,", "h:2:1 a", "h:3:2 b"), [
    Buffer.from("k"),
  ]);
  expect(modula!.point).toBe(modula!.hash % 3);
  expect(modula!.server).toBe(modula!.point === 0 ? "a" : "b");
  const [random] = routeKeys(pool("distribution: random,", "h:2:1 a", "h:3:2 b"), [
    Buffer.from("k"),
  ]);
  expect([random!.server, random!.point]).toEqual([null, null]);
});

test("a key in escapes is read as itself", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 20 }), (bytes) => {
      const key = Buffer.from(bytes);
      expect(parseKey(formatKey(key), true)).toEqual(key);
    }),
  );
  expect(parseKey("a\\xff\\\\", true)).toEqual(Buffer.from([0x61, 0xff, 0x5c]));
  expect(parseKey("a\\xff", false)).toEqual(Buffer.from("a\\xff"));
  for (const wrong of ["\\", "\\x", "\\xg0", "\\n", "a\\x1"])
    expect(parseKey(wrong, true)).toBeNull();
});

test("shares add up to 1 and are those of many keys", () => {
  const ring = pool("hash: xxh64,", "h:1:1 a", "h:2:2 b", "h:3:5 c");
  const shares = ringShares(ring);
  expect(shares.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 12);
  const keys = Array.from({ length: 20_000 }, (_, index) => Buffer.from(`key:${index}`));
  const found = routeKeys(ring, keys);
  for (const [index, server] of ring.servers.entries()) {
    const count = found.filter((key) => key.server === server.name).length;
    expect(Math.abs(count / keys.length - shares[index]!)).toBeLessThan(0.02);
  }
});

test("shares count only the hashes that a function can yield", () => {
  const shares = ringShares(pool("hash: crc32,", "h:1:1 a", "h:2:1 b"));
  expect([...shares].sort()).toEqual([0, 1]);
  expect(ringShares(pool("", "h:1:1 only"))).toEqual([1]);
});

test("the verb: text, --json, --escape", () => {
  const text = route("alpha", "k1", "-c", "proxy.yaml");
  expect([text.code, text.err]).toEqual([0, ""]);
  expect(text.out).toMatch(
    /^pool alpha: ketama over 2 servers, .*\nkey .*server .*\nk1 +the whole key +\d+ +\d+ +[ab] +h:[23]\n$/,
  );
  // Without -c the file in the working directory is meant.
  const json = JSON.parse(route("alpha", "\\xff\\x00", "k2", "--escape", "--json").out);
  expect(json.pool).toBe("alpha");
  expect(json.keys.map((key: { key: string }) => key.key)).toEqual(["\\xff\\x00", "k2"]);
});

test("the verb: mistakes", () => {
  expect(route("alpa", "k")).toEqual({
    code: 1,
    out: "",
    err: 'proxy route: no pool is named "alpa"; did you mean "alpha"? (pools: alpha)\n',
  });
  expect(route("alpha").code).toBe(2);
  expect(route("alpha", "--escape", "a\\q")).toMatchObject({ code: 2, out: "" });
  expect(route("alpha", "k", "-c", "missing.yaml").code).toBe(1);
});
