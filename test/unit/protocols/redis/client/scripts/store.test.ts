import { expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { SCRIPT_BYTES_MAX, SCRIPTS_BYTES_MAX } from "../../../../../../src/base/limits.ts";
import { Turn } from "../../../../../../src/base/turn.ts";
import { FunctionStore } from "../../../../../../src/protocols/redis/client/scripts/functions.ts";
import type { LoadHost } from "../../../../../../src/protocols/redis/client/scripts/loadable.ts";
import { ScriptStore } from "../../../../../../src/protocols/redis/client/scripts/store.ts";

const host: LoadHost = { turn: new Turn(), epochOf: ({ incarnation }) => incarnation };

function shaOf(body: string): string {
  return createHash("sha1").update(body).digest("hex");
}

function find(store: ScriptStore, sha: string): string | null {
  const bytes = Buffer.from(`  ${sha} `);
  return store.find(bytes, 2, 2 + sha.length)?.body.toString() ?? null;
}

function findBody(store: ScriptStore, body: string): string | null {
  const bytes = Buffer.from(`  ${body} `);
  return store.findBody(bytes, 2, 2 + body.length)?.sha.toString() ?? null;
}

test("scripts are found by their SHA in either case, and by their text", () => {
  const store = new ScriptStore(host);
  const bodies = Array.from({ length: 3000 }, (_, i) => `return ${i}`);
  for (const body of bodies) store.add(shaOf(body), Buffer.from(body));
  for (const body of bodies) {
    expect(find(store, shaOf(body))).toBe(body);
    expect(find(store, shaOf(body).toUpperCase())).toBe(body);
    expect([null, shaOf(body)]).toContain(findBody(store, body));
  }
  expect(findBody(store, "return 2999")).toBe(shaOf("return 2999"));
  expect(store.all).toHaveLength(3000);
  expect(store.add(shaOf("return 1"), Buffer.from("return 1"))).toBe(
    store.find(Buffer.from(shaOf("return 1")), 0, 40)!,
  );
  expect(store.all).toHaveLength(3000);
  store.clear();
  expect(find(store, shaOf("return 1"))).toBe(null);
  expect(findBody(store, "return 2999")).toBe(null);
});

test("what begins like one, is as long as one, or is no SHA at all is none", () => {
  const store = new ScriptStore(host);
  const sha = "0123456789abcdef0123456789abcdef01234567";
  store.add(sha, Buffer.from("x"));
  expect(find(store, sha)).toBe("x");
  const others = [
    sha.substring(1),
    `${sha}0`,
    `${sha.substring(0, 39)}8`,
    sha.replace("1", "\u0011"),
    sha.replace("a", "!"),
    sha.replace("a", "\u0001"),
    "",
  ];
  for (const other of others) expect(find(store, other)).toBe(null);
  expect(findBody(store, "y")).toBe(null);
  expect(findBody(store, "")).toBe(null);
});

test("too many: those that were not wanted for longest are forgotten; too long a one is not kept", () => {
  const store = new ScriptStore(host);
  const size = SCRIPT_BYTES_MAX / 4;
  const count = Math.ceil(SCRIPTS_BYTES_MAX / size) + 1;
  const body = (i: number): string => `${i} `.padEnd(size, "x");
  for (let i = 0; i < count; i++) {
    store.add(shaOf(body(i)), Buffer.from(body(i)));
    find(store, shaOf(body(0)));
  }
  expect(find(store, shaOf(body(0)))).toBe(body(0));
  expect(findBody(store, body(0))).toBe(shaOf(body(0)));
  expect(find(store, shaOf(body(1)))).toBe(null);
  expect(findBody(store, body(1))).toBe(null);
  expect(find(store, shaOf(body(count - 1)))).toBe(body(count - 1));
  const bytes = store.all.reduce((sum, script) => sum + script.body.length, 0);
  expect(bytes).toBeLessThan(SCRIPTS_BYTES_MAX);
  expect(bytes).toBeGreaterThan(SCRIPTS_BYTES_MAX / 2);
  expect(store.add(shaOf("long"), Buffer.alloc(SCRIPT_BYTES_MAX + 1))).toBe(null);
});

test("libraries: the latest of each name, all in one load; too many, and the first is forgotten", () => {
  const store = new FunctionStore(host);
  expect(store.all).toBe(null);
  store.add({ name: "a", code: "old", functions: ["f", "G"] });
  store.add({ name: "b", code: "b", functions: ["h"] });
  store.add({ name: "a", code: "new", functions: ["g"] });
  expect(["F", "g", "H"].map((name) => store.libraryOf(name))).toEqual([null, "a", "b"]);
  const load = (code: string): string =>
    `*3\r\n$8\r\nFUNCTION\r\n$4\r\nLOAD\r\n$${code.length}\r\n${code}\r\n`;
  expect(store.all?.requests.toString()).toBe(load("b") + load("new"));
  const long = "x".repeat(SCRIPT_BYTES_MAX);
  for (let i = 0; i < 5; i++) store.add({ name: `${i}`, code: long, functions: [`f${i}`] });
  expect(store.list.map(({ name }) => name)).toEqual(["1", "2", "3", "4"]);
  expect(store.libraryOf("g")).toBe(null);
  store.clear();
  expect(store.all).toBe(null);
});
