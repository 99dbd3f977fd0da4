/** Which engine workers have, and that clients move from one to the other. */
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { until } from "../support/echo-proxy.ts";
import { freePort } from "../support/free-port.ts";
import { type ProxyProcess, startProxy } from "../support/proxy-process.ts";
import { startRedis } from "../support/redis-server.ts";
import { RespClient } from "../support/resp-client.ts";
import { mustRun, statusOf } from "../support/run-command.ts";
import { SteadyLoad } from "../support/steady-load.ts";
import { stopAll, stops, type UpgradeResult } from "../support/upgrade-rig.ts";

// Many processes on a machine that may be busy.
setDefaultTimeout(120_000);
afterEach(stopAll);

/** Moves that change the engine; the environment may ask for more. */
const CHANGES = Number(process.env["ENGINE_CHANGES"] ?? 4);
const WITHOUT_IO_URING = [
  process.execPath,
  join(import.meta.dir, "../support/without-io-uring.ts"),
];
/** No engine is asked for, as in most configurations. */
const UNSAID = "unsaid";
/** What may be forbidden, how that shows, and the engine that is asked for. */
const DENIALS: readonly (readonly [call: string, error: string, engine: string])[] = [
  ["setup", "EPERM", UNSAID],
  ["setup", "EPERM", "auto"],
  ["setup", "EPERM", "uring"],
  ["setup", "ENOSYS", UNSAID],
  ["register", "EPERM", UNSAID],
  ["enter", "EACCES", UNSAID],
];

interface Rig {
  readonly proxy: ProxyProcess;
  readonly port: number;
  config(engine: string): string;
}

async function start(engine: string, wrapper: readonly string[] = []): Promise<Rig> {
  const server = await startRedis();
  stops.push(() => server.stop());
  const port = freePort();
  const config = (name: string): string =>
    `${name === UNSAID ? "" : `engine: ${name}\n`}workers: 2\npools:\n  main:\n    listen: 127.0.0.1:${port}\n    servers: ["${server.host}:${server.port}:1"]\n`;
  const proxy = await startProxy({ config: config(engine), wrapper });
  stops.push(() => proxy.stop());
  return { proxy, port, config };
}

async function enginesOf(proxy: ProxyProcess): Promise<string[]> {
  const { processes } = await statusOf(proxy);
  return processes
    .filter(({ role }) => role === "worker")
    .map(({ engine }) => `${engine?.name}: ${engine?.reason}`);
}

async function ask(port: number): Promise<string> {
  const client = await RespClient.connect({ host: "127.0.0.1", port });
  stops.push(async () => client.close());
  client.send("PING\r\n");
  return `${await client.reply()}`;
}

test("the engine that is configured runs, and status and log say so", async () => {
  const { proxy, port } = await start("uring");
  expect(await ask(port)).toBe("+PONG\r\n");
  expect(await enginesOf(proxy)).toEqual(Array(2).fill("uring: it is configured"));
  expect(proxy.stderr()).toContain("engine=uring");
});

test("without any configuration it is io_uring where that works, and says so", async () => {
  const { proxy, port } = await start(UNSAID);
  expect(await ask(port)).toBe("+PONG\r\n");
  expect(await enginesOf(proxy)).toEqual(Array(2).fill("uring: io_uring works here"));
  expect(proxy.stderr()).toContain('engine=uring reason="io_uring works here"');
});

test.each(DENIALS)(
  "where io_uring_%s fails with %s, engine %s serves by Bun's sockets, and says why",
  async (call, error, engine) => {
    const { proxy, port } = await start(engine, [...WITHOUT_IO_URING, call, error]);
    expect(await ask(port)).toBe("+PONG\r\n");
    const why = `io_uring cannot be used here: io_uring_${call}: `;
    for (const said of await enginesOf(proxy)) {
      expect(said).toStartWith(`bun: ${why}`);
      expect(said).toContain(error);
    }
    expect(proxy.stderr()).toContain(`engine=bun reason="${why}`);
    // A worker that takes a dead one's place chooses for itself.
    const [victim] = proxy.workerPids();
    process.kill(victim!, "SIGKILL");
    await until("its successor has chosen", () => proxy.stderr().split(" engine=bun ").length > 3);
    expect(await ask(port)).toBe("+PONG\r\n");
  },
);

test("clients move from one engine to the other and back, and notice nothing", async () => {
  const { proxy, port, config } = await start("uring");
  const load = await SteadyLoad.start({
    endpoint: { host: "127.0.0.1", port },
    pipelining: 4,
    idle: 10,
    halfway: 3,
  });
  for (let change = 0; change < CHANGES; change++) {
    const next = change % 2 === 0 ? "bun" : "uring";
    writeFileSync(proxy.configFile, config(next));
    const { crew } = await mustRun<UpgradeResult>(proxy, "reload");
    expect(crew).toMatchObject({ left: 0, lost: 0 });
    expect((await enginesOf(proxy))[0]).toStartWith(`${next}: `);
  }
  await load.stop();
  expect(load.errors).toEqual([]);
});
