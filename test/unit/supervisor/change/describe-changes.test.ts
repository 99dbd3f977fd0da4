import { expect, test } from "bun:test";
import type { Config } from "../../../../src/api/config.ts";
import {
  describeChanges,
  ringChanges,
} from "../../../../src/supervisor/change/describe-changes.ts";
import { loadConfig } from "../../../support/load-config.ts";

function config(text: string): Config {
  const { config, problems } = loadConfig(text, "/proxy.yaml");
  if (config === null) throw new Error(problems.map(({ message }) => message).join("\n"));
  return config;
}

function pool(name: string, lines: string[], servers: string[]): string {
  return `  ${name}:\n${lines.map((line) => `    ${line}\n`).join("")}    servers: [${servers.join(", ")}]\n`;
}

const SERVERS = ["'h:1:1 a'", "'h:2:1 b'", "'h:3:1 c'"];
const BASE = config(`pools:\n${pool("p", ["listen: h:9", "redis_auth: old"], SERVERS)}`);

test("the same file changes nothing", async () => {
  expect(describeChanges(BASE, BASE)).toEqual([]);
  expect(await ringChanges(BASE, BASE)).toEqual([]);
});

test("every option has its line, and a secret stays one", () => {
  const lines = [
    "listen: h:8",
    "redis_auth: new",
    "timeout: 1s",
    "hash_tag: '{}'",
    "client_connections: 5",
    "workers: { own: 2, cpus: [1, 2] }",
  ];
  const servers = ["'h:1:2 a'", "'h:4:1 c'", "'h:5:1 d'"];
  const next = config(
    `workers: 3\naccept: shared\ndrain_timeout: 1m\npools:\n${pool("p", lines, servers)}`,
  );
  expect(describeChanges(BASE, next)).toEqual([
    "workers: auto → 3",
    "accept: reuseport → shared",
    "drain_timeout: 30s → 1m",
    'pool "p": workers: shared → 2 of its own, cpus 1,2',
    'pool "p": listen: h:9 → h:8',
    'pool "p": hash_tag: none → {}',
    'pool "p": timeout: 5s → 1s',
    'pool "p": client_connections: 0 → 5',
    'pool "p": redis_auth changes',
    'pool "p": server b goes',
    'pool "p": server a: h:1 weight 1 → h:1 weight 2',
    'pool "p": server c: h:3 weight 1 → h:4 weight 1',
    'pool "p": server d comes, h:5 weight 1',
  ]);
});

test("pools come and go", () => {
  const next = config(`pools:\n${pool("q", ["listen: h:9"], SERVERS)}`);
  expect(describeChanges(BASE, next)).toEqual([
    'pool "p" goes: its clients on h:9 are drained',
    'pool "q" comes, on h:9',
  ]);
});

test("the share of keys that move is that of the server that goes", async () => {
  const next = config(`pools:\n${pool("p", ["listen: h:9"], SERVERS.toSpliced(0, 1))}`);
  const [change] = await ringChanges(BASE, next);
  expect(change?.pool).toBe("p");
  expect(change?.movedShare).toBeGreaterThan(0.25);
  expect(change?.movedShare).toBeLessThan(0.42);
  const moved = config(
    `pools:\n${pool(
      "p",
      ["listen: h:9"],
      ["'h:7:1 a'", "'h:8:1 b'", "'h:9:1 c'"].map((text) => text.replace("h:9", "h:10")),
    )}`,
  );
  expect((await ringChanges(BASE, moved))[0]?.movedShare).toBe(1);
});
