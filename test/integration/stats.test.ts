/** The statistics port against a real nutcracker, and the admin process as a process. */
import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Config } from "../../src/api/config.ts";
import type { ToAdmin } from "../../src/api/control.ts";
import { SERVER, type StatsLayout } from "../../src/api/stats.ts";
import { encodeJsonLine } from "../../src/base/json-lines.ts";
import { createStatsLayout, slotRegion, statsByteLength } from "../../src/metrics/layout.ts";
import { renderNutcrackerStats } from "../../src/metrics/nutcracker-stats.ts";
import { mapStatsMemory } from "../../src/metrics/stats-memory.ts";
import { closeFd } from "../../src/os/fd.ts";
import { boundPort, listenTcp } from "../../src/os/listen-socket.ts";
import { createSharedMemory } from "../../src/os/shared-memory.ts";
import { createSocketPair } from "../../src/os/socket-pair.ts";
import { freePort } from "../support/free-port.ts";
import { type Nutcracker, startNutcracker } from "../support/nutcracker.ts";
import { statsConfig } from "../unit/metrics/stats-config.ts";

const directory = mkdtempSync(join(tmpdir(), "proxy-test-admin-"));
let nutcracker: Nutcracker | null = null;
const releases: (() => void)[] = [];

afterEach(async () => {
  await nutcracker?.stop();
  nutcracker = null;
  for (const release of releases.splice(0)) release();
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Everything that a stats port sends until it closes. */
async function readLine(port: number): Promise<string> {
  const closed = Promise.withResolvers<string>();
  let text = "";
  await Bun.connect({
    hostname: "127.0.0.1",
    port,
    socket: {
      data(_, chunk) {
        text += chunk.toString("latin1");
      },
      close: () => closed.resolve(text),
    },
  });
  return closed.promise;
}

describe("against a real nutcracker", () => {
  test("the line has the same bytes but for host, version, times and counts", async () => {
    const servers = {
      // In ring order: shorter names first.
      zulu: ["a", "c", "bb"],
      alpha: ["127.0.0.1", "127.0.0.1:11212", "127.0.0.1:11213"],
    };
    const yaml = `zulu:
  listen: 127.0.0.1:${freePort()}
  redis: true
  servers:
   - 127.0.0.1:7001:1 bb
   - 127.0.0.1:7002:1 c
   - 127.0.0.1:7003:1 a
alpha:
  listen: 127.0.0.1:${freePort()}
  servers:
   - 127.0.0.1:11213:1
   - 127.0.0.1:11212:1
   - 127.0.0.1:11211:1
`;
    nutcracker = await startNutcracker(yaml);
    const config = statsConfig(servers);
    const layout = createStatsLayout(config, 2);
    const line = renderNutcrackerStats(
      {
        config,
        layout,
        memory: new Float64Array(statsByteLength(layout) / 8),
        hostname: "host",
        version: "1.2.3",
        startedAtMs: Date.now(),
      },
      Date.now(),
    );
    const real = await readLine(nutcracker.statsPort);
    expect(real).toContain('"version":"0.5.0"');
    expect(withoutValues(line)).toBe(withoutValues(real));
  });
});

const ADMIN_MAIN = new URL("../../src/admin/admin-main.ts", import.meta.url).pathname;
const ADMIN_LISTEN_FD = 5;

/** An admin process with everything that the supervisor gives it, and `start` sent. */
function startAdmin(layout: StatsLayout) {
  const memoryFd = createSharedMemory("stats", statsByteLength(layout));
  const listenFd = listenTcp({ ip: "127.0.0.1", port: 0, backlog: 16, reusePort: false });
  const control = createSocketPair();
  const child = Bun.spawn([process.execPath, "-e", `(await import("${ADMIN_MAIN}")).runAdmin()`], {
    stdio: ["ignore", "ignore", "pipe", control.theirs, memoryFd, listenFd],
  });
  const memory = mapStatsMemory(memoryFd, layout);
  const port = boundPort(listenFd);
  for (const fd of [memoryFd, listenFd, control.theirs]) closeFd(fd);
  let isOpen = true;
  const closeControl = (): void => {
    if (isOpen) closeFd(control.ours);
    isOpen = false;
  };
  releases.push(() => {
    closeControl();
    child.kill("SIGKILL");
  });
  const send = (message: ToAdmin): void => {
    writeSync(control.ours, encodeJsonLine(message));
  };
  return { child, memory, port, send, closeControl };
}

function startMessage(config: Config, stats: StatsLayout): ToAdmin {
  return {
    type: "start",
    config,
    stats,
    statsListenFd: ADMIN_LISTEN_FD,
    version: "1.2.3",
    startedAtMs: Date.now(),
  };
}

describe("the admin process", () => {
  const config = statsConfig({ one: ["x"] });
  const layout = createStatsLayout(config, 2);
  const requestsOfX = layout.pools[0]!.servers[0]!.base + SERVER.requests;

  test("shows at each connection what the memory holds at that moment", async () => {
    const { memory, port, send } = startAdmin(layout);
    send(startMessage(config, layout));
    for (const requests of [0, 7, 8]) {
      slotRegion(memory, layout, 1)[requestsOfX] = requests;
      const line = JSON.parse(await readLine(port));
      expect(line.version).toBe("1.2.3");
      expect(line.one.x.requests).toBe(requests);
    }
  });

  test("shows figures that are as old as the interval allows, and new ones after another start", async () => {
    const { memory, port, send } = startAdmin(layout);
    const requests = async (): Promise<number> => JSON.parse(await readLine(port)).one.x.requests;
    const every = (intervalMs: number): Config => ({
      ...config,
      stats: { ...config.stats, intervalMs },
    });
    const region = slotRegion(memory, layout, 1);
    send(startMessage(every(3_600_000), layout));
    region[requestsOfX] = 7;
    expect(await requests()).toBe(7);
    region[requestsOfX] = 8;
    expect(await requests()).toBe(7);
    send(startMessage(every(50), layout));
    // The message comes by another way than the connection.
    while ((await requests()) === 7) await Bun.sleep(1);
    region[requestsOfX] = 9;
    while ((await requests()) === 8) await Bun.sleep(10);
    expect(await requests()).toBe(9);
  });

  test("shows another config after another start, on the same port", async () => {
    const { memory, port, send } = startAdmin(layout);
    send(startMessage(config, layout));
    slotRegion(memory, layout, 0)[requestsOfX] = 5;
    expect(JSON.parse(await readLine(port)).one.x.requests).toBe(5);
    const larger = statsConfig({ two: ["y"], one: ["x", "z"] });
    send(startMessage(larger, createStatsLayout(larger, 2, layout)));
    let line = JSON.parse(await readLine(port));
    while (line.two === undefined) line = JSON.parse(await readLine(port));
    expect(line.one.x.requests).toBe(5);
    expect(line.one.z.requests).toBe(0);
  });

  test("leaves when the supervisor is gone", async () => {
    const { child, port, send, closeControl } = startAdmin(layout);
    send(startMessage(config, layout));
    await readLine(port);
    closeControl();
    expect(await child.exited).toBe(0);
  });

  test("leaves when told to, and not for a signal that is meant for the supervisor", async () => {
    const { child, port, send } = startAdmin(layout);
    send(startMessage(config, layout));
    await readLine(port);
    for (const signal of ["SIGINT", "SIGQUIT", "SIGHUP", "SIGUSR1"] as const) {
      child.kill(signal);
      expect(JSON.parse(await readLine(port)).service).toBe("nutcracker");
    }
    send({ type: "stop" });
    expect(await child.exited).toBe(0);
  });

  test("says why it cannot serve, and fails", async () => {
    const { child, send } = startAdmin(layout);
    send(startMessage(config, { ...layout, slots: 3 }));
    expect(await child.exited).toBe(1);
    expect(await new Response(child.stderr).text()).toMatch(
      /error admin cannot serve statistics: statistics memory at fd 4 has \d+ bytes, the layout needs \d+/,
    );
  });

  test("fails with a message when its log file cannot be opened", async () => {
    const { child, send } = startAdmin(layout);
    const file = join(directory, "missing", "proxy.log");
    send(startMessage({ ...config, log: { level: "info", file } }, layout));
    expect(await child.exited).toBe(1);
    expect(await new Response(child.stderr).text()).toContain(file);
  });
});

function withoutValues(line: string): string {
  return line
    .replace(/"(source|version)":"[^"]*"/g, '"$1":""')
    .replace(/"(\w+)":\d+([,}])/g, '"$1":0$2');
}
