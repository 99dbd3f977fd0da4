import { expect, test } from "bun:test";
import { examine, type Host } from "../../../src/cli/doctor.ts";
import { loadConfig } from "../../support/load-config.ts";

const WELL: Host = {
  ...{ openFiles: 100_000, cores: 4, affinityCores: 4, somaxconn: 4096, synBacklog: 1024 },
  ...{ synCookies: 1, ports: [10_240, 65_535], overcommit: 0, uringProblem: null },
};
const { config } = loadConfig(
  "pools:\n  p: { listen: h:1, servers: [h:2:1] }\nworkers: auto\n",
  "F",
);

function advised(change: Partial<Host>, settings: object = {}): string[] {
  return examine({ ...WELL, ...change }, { ...config!, ...settings })
    .filter(({ advice }) => advice !== null)
    .map(({ what }) => what);
}

test("a host that is well gets no advice, and each thing that is not gets its own", () => {
  expect(advised({})).toEqual([]);
  expect(advised({ openFiles: 1024 })).toEqual(["open files"]);
  expect(advised({ openFiles: 1024 }, { openFiles: 100_000 })).toEqual([]);
  expect(advised({ somaxconn: 128 })).toEqual(["somaxconn"]);
  expect(advised({ synBacklog: 128 })).toEqual([]);
  expect(advised({ synBacklog: 128, synCookies: 0 })).toEqual(["syn backlog"]);
  expect(advised({ ports: [60_000, 61_000] })).toEqual(["local ports"]);
  expect(advised({ overcommit: 2 })).toEqual(["overcommit"]);
  expect(advised({}, { workers: 8 })).toEqual(["CPUs"]);
  expect(advised({}, { workers: 1 })).toEqual(["CPUs"]);
  expect(advised({ uringProblem: "EPERM" })).toEqual(["io_uring"]);
  expect(advised({ uringProblem: "EPERM" }, { engine: "bun" })).toEqual([]);
});

test("what cannot be seen is passed over, and a host without a configuration is looked at", () => {
  const blind = { somaxconn: null, synBacklog: null, ports: null, overcommit: null };
  expect(advised(blind)).toEqual([]);
  const found = examine({ ...WELL, ...blind }, null).map(({ what }) => what);
  expect(found).toEqual(["open files", "CPUs", "io_uring"]);
});
