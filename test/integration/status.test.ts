/** What `proxy status` says of the traffic. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { freePort } from "../support/free-port.ts";
import { type ProxyProcess, redisPool, startProxy } from "../support/proxy-process.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { RespClient } from "../support/resp-client.ts";
import { commandOf, statusOf } from "../support/run-command.ts";

let server: RedisServer;
let proxy: ProxyProcess;
const endpoint = { host: "127.0.0.1", port: freePort() };

beforeAll(async () => {
  server = await startRedis();
  const listen = `${endpoint.host}:${endpoint.port}`;
  proxy = await startProxy({
    config: redisPool({ listen, servers: [server] }),
    args: ["--workers", "1"],
  });
});

afterAll(async () => {
  await proxy?.stop();
  await server?.stop();
});

test("every pool and server has its figures, in the table the telling ones", async () => {
  const client = await RespClient.connect(endpoint);
  await client.ask("SET", "a", "1");
  await client.ask("GET", "a");
  await client.ask("PING");
  const broken = await RespClient.connect(endpoint);
  broken.send("*1\r\n:1\r\n");
  expect(`${await broken.reply()}`).toStartWith("-ERR Protocol error");
  const [pool] = (await statusOf(proxy)).pools ?? [];
  expect(pool?.name).toBe("pool");
  expect(pool?.counters).toMatchObject({ requests: 3, protocol_errors: 1, client_output_cut: 0 });
  expect(pool?.counters.local_requests).toBeGreaterThanOrEqual(1);
  expect(pool?.servers.map(({ name }) => name)).toEqual(["s0"]);
  expect(pool?.servers[0]?.counters.requests).toBeGreaterThanOrEqual(2);
  const { output } = await commandOf(proxy, "status");
  expect(output).toMatch(/^pool +clients +requests +answered here +failed +malformed +cut$/m);
  expect(output).toMatch(/^pool +\d+ +3 +\d+ +0 +1 +0$/m);
  client.close();
  broken.close();
}, 60_000);

test("a server that is down is shown, since when and why, until it answers", async () => {
  const listen = `127.0.0.1:${freePort()}`;
  const dead = { host: "127.0.0.1", port: freePort() };
  const lame = await startProxy({
    config: redisPool({ listen, servers: [dead] }),
    args: ["--workers", "1"],
  });
  try {
    const troubleOf = async () => (await statusOf(lame)).pools?.[0]?.servers[0]?.trouble;
    expect(await troubleOf()).toBeNull();
    const before = Date.now();
    const client = await RespClient.connect(lame.endpoints[0]!);
    expect(`${await client.ask("GET", "a")}`).toStartWith("-ERR Connection refused");
    const trouble = await troubleOf();
    expect(trouble).toMatchObject({ workers: 1, ejectedBy: 0, kind: "refused" });
    expect(trouble!.sinceMs).toBeWithin(before - 1000, Date.now() + 1000);
    const { output } = await commandOf(lame, "status");
    expect(output).toMatch(
      /^server in trouble +pool +state +since +in workers +ejected by +reason$/m,
    );
    expect(output).toMatch(/^s0 +pool +suspect +\d+s ago +1 of 1 +0 +no connection can be made$/m);
    const back = await startRedis({ port: dead.port });
    while ((await troubleOf()) !== null) await client.ask("GET", "a");
    expect((await commandOf(lame, "status")).output).not.toContain("in trouble");
    client.close();
    await back.stop();
  } finally {
    await lame.stop();
  }
}, 60_000);

test("a generation is numbered, in JSON also under the name that it had before", async () => {
  const status = await statusOf(proxy);
  expect(status).toMatchObject({ crew: 1, generation: 1 });
  for (const process of status.processes) expect(process).toMatchObject({ crew: 1, generation: 1 });
  const reloaded = await commandOf(proxy, "reload");
  expect(reloaded.output).toContain("nothing has changed in the file");
  const { output } = await commandOf(proxy, "status");
  expect(output).toMatch(/^process +pid +version +generation +state /m);
});
