import { expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { examine, type Host } from "../../../src/cli/doctor.ts";
import { networkCards } from "../../../src/cli/network-queues.ts";
import { loadConfig } from "../../support/load-config.ts";

const WELL: Host = {
  ...{ openFiles: 100_000, cores: 4, affinityCores: 4, somaxconn: 4096, synBacklog: 1024 },
  ...{ synCookies: 1, ports: [10_240, 65_535], overcommit: 0, uringProblem: null },
  cards: [{ name: "eth0", receiveQueues: 8, isSteered: false }],
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
  const one = { name: "eth0", receiveQueues: 1, isSteered: false };
  expect(advised({ cards: [one] })).toEqual(["receive queues"]);
  expect(advised({ cards: [one] }, { workers: 1 })).toEqual(["CPUs"]);
  expect(advised({ cards: [{ ...one, isSteered: true }] })).toEqual([]);
  expect(advised({ uringProblem: "EPERM" })).toEqual(["io_uring"]);
  expect(advised({ uringProblem: "EPERM" }, { engine: "bun" })).toEqual([]);
});

test("what cannot be seen is passed over, and a host without a configuration is looked at", () => {
  const blind = { somaxconn: null, synBacklog: null, ports: null, overcommit: null, cards: [] };
  expect(advised(blind)).toEqual([]);
  const found = examine({ ...WELL, ...blind }, null).map(({ what }) => what);
  expect(found).toEqual(["open files", "CPUs", "io_uring"]);
});

test("cards are those with a device, and packets are handed on where a mask has a CPU", () => {
  const folder = mkdtempSync(join(tmpdir(), "net-"));
  const put = (path: string, text: string): void => {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  };
  put("lo/queues/rx-0/rps_cpus", "0\n");
  put("eth0/device/vendor", "");
  put("eth0/queues/rx-0/rps_cpus", "00000000,00000000\n");
  put("eth0/queues/rx-1/rps_cpus", "0\n");
  put("eth0/queues/tx-0/xps_cpus", "f\n");
  put("eth1/device/vendor", "");
  put("eth1/queues/rx-0/rps_cpus", "00000000,0000000f\n");
  expect(networkCards(folder)).toEqual([
    { name: "eth0", receiveQueues: 2, isSteered: false },
    { name: "eth1", receiveQueues: 1, isSteered: true },
  ]);
  expect(networkCards(join(folder, "nowhere"))).toEqual([]);
  rmSync(folder, { recursive: true });
});
