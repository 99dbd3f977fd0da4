import { expect, test } from "bun:test";
import { applyFlags } from "../../../src/cli/run-flags.ts";
import { loadConfig } from "../../../src/config/load.ts";
import { PROTOCOLS } from "../../../src/protocols/registry.ts";

function load(...lines: readonly string[]): ReturnType<typeof loadConfig> {
  const pools = "pools:\n  p: { listen: h:1, servers: [h:2:1] }\n";
  return loadConfig([...lines, pools].join("\n"), "F", PROTOCOLS);
}

test("zones are lists of addresses, networks and host names; zone is one of them", () => {
  const { config } = load('zones: { a: [10.0.1.0/24, 10.0.9.9], b: ["*.b.test"] }', "zone: b");
  expect([config?.zones, config?.zone]).toEqual([
    { a: ["10.0.1.0/24", "10.0.9.9"], b: ["*.b.test"] },
    "b",
  ]);
  expect(load("zones:").config?.zone).toBe("auto");
});

test("what is wrong with them is told all at once, with line and column", () => {
  const { problems } = load(
    "zones:",
    "  auto: [10.0.1.1]",
    "  east: 10.0.2.0/24",
    "  west: [10.0.3.0/33, h:1, 10.0.3.1]",
    "  north: [10.0.3.1, 10.0.4]",
    "  south: []",
    "zone: eats",
  );
  const told = problems.map(({ line, column, path, message }) => [line, column, path, message]);
  expect(told.map(([line, , path]) => `${line} ${path}`)).toEqual([
    ...["2 zones.auto", "3 zones.east", "4 zones.west[0]", "4 zones.west[1]", "5 zones.north"],
    ...["5 zones.north[1]", "6 zones.south", "7 zone"],
  ]);
  const text = told.map(([, , , message]) => message).join("\n");
  expect(text).toContain('did you mean "east"');
  expect(text).toContain('"10.0.3.1" stands in "west", too');
  expect(text).toContain("without a port");
});

test("--zone goes before the file, and is one of its zones", () => {
  const config = load("zones: { a: [10.0.1.1], b: [10.0.1.2] }", "zone: a").config!;
  const zoneOf = (zone?: string): unknown => {
    const result = applyFlags(config, zone === undefined ? {} : { zone });
    return "config" in result ? result.config.zone : result.problems;
  };
  expect([zoneOf(), zoneOf("b"), zoneOf("auto")]).toEqual(["a", "b", "auto"]);
  expect(zoneOf("west")).toEqual(['--zone: "west" is none of "zones"; they are a, b']);
});
