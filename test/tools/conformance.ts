/**
 * Runs the test suite of Redis itself (its `runtest` in external-server mode) twice, straight to a redis-server and through a pool
 * of that one server, and prints which tests differ.
 *
 *   bun test/tools/conformance.ts [--cluster] REDIS_SOURCE [UNIT …]         for instance: … ~/redis-7.0.15 unit/multi unit/type/list
 *
 * With --cluster the server is a cluster of one node, and the suite runs in cluster mode: its own cluster client asks who has the slots.
 * Needs tclsh and the source tree of the installed redis-server's version (`apt-get source redis`). Exit code 1: tests that
 * pass straight fail through the proxy.
 */
import { freePort } from "../support/free-port.ts";
import { redisPool, startProxy } from "../support/proxy-process.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { RespClient } from "../support/resp-client.ts";

/** Units that external-server mode has something to say about, without those about one server's inside (memory, files, replicas). */
const UNITS: readonly string[] = [
  ...["string", "incr", "list", "list-2", "set", "zset", "hash", "stream", "stream-cgroups"].map(
    (type) => `unit/type/${type}`,
  ),
  ...["keyspace", "scan", "expire", "sort", "bitops", "bitfield", "geo", "hyperloglog", "dump"].map(
    (name) => `unit/${name}`,
  ),
  ...["multi", "pubsub", "scripting", "functions", "quit"].map((name) => `unit/${name}`),
  ...["introspection", "introspection-2", "info-command", "other", "protocol"].map(
    (name) => `unit/${name}`,
  ),
];

/** What the suite needs and a shared proxy does not pass on by default. */
const ALLOWED = [
  "DEBUG",
  "CONFIG",
  "ACL",
  "BGSAVE",
  "SAVE",
  "BGREWRITEAOF",
  "SLOWLOG",
  "LATENCY",
  "REPLICAOF",
  "SCRIPT DEBUG",
  "MIGRATE",
  "MODULE",
  "PFSELFTEST",
  "PFDEBUG",
];
const UNIT_TIMEOUT_MS = 240_000;
/** Tests of one unit that are passed over because they end it (they attach to the replication stream, mostly). */
const SKIPPED_MAX = 12;

const isCluster = process.argv.includes("--cluster");

interface Outcome {
  /** Test's name → "ok" or "err". */
  readonly results: Map<string, string>;
  /** How the unit ended before its end, or "". */
  readonly ending: string;
}

async function runUnit(
  source: string,
  port: number,
  unit: string,
  skipped: readonly string[],
): Promise<Outcome> {
  const args = ["--host", "127.0.0.1", "--port", `${port}`, "--single", unit];
  if (isCluster) args.push("--cluster-mode");
  args.push("--tags", "-slow -needs:repl", ...skipped.flatMap((name) => ["--skiptest", name]));
  const child = Bun.spawn(["./runtest", ...args], { cwd: source, stdout: "pipe", stderr: "pipe" });
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    child.kill("SIGKILL");
  }, UNIT_TIMEOUT_MS);
  const output = Bun.stripANSI(await new Response(child.stdout).text());
  await child.exited;
  clearTimeout(timer);
  const results = new Map<string, string>();
  for (const [, outcome = "", name = ""] of output.matchAll(
    /^\[(ok|err)\]: (.*?)(?: \(\d+ ms\))?$/gm,
  )) {
    results.set(name.replace(/ in tests\/.*$/, ""), outcome);
  }
  const exception = /\[exception\]: (.*)/.exec(output)?.[1] ?? "";
  return { results, ending: isLate ? "took too long" : exception };
}

async function main(): Promise<number> {
  const [source, ...chosen] = process.argv.splice(2).filter((word) => word !== "--cluster");
  if (source === undefined) {
    console.error("usage: bun test/tools/conformance.ts [--cluster] REDIS_SOURCE [UNIT …]");
    return 2;
  }
  const units = chosen.length > 0 ? chosen : UNITS;
  let worse = 0;
  for (const unit of units) worse += await compareUnit(source, unit);
  console.log(`${worse} tests pass straight and not through the proxy`);
  return worse === 0 ? 0 : 1;
}

/** @returns how many tests of the unit pass straight and not through the proxy */
async function compareUnit(source: string, unit: string): Promise<number> {
  const straight = await runOnFresh(source, unit, false, []);
  const skipped: string[] = [];
  let proxied = await runOnFresh(source, unit, true, skipped);
  // A test that ends the whole unit is passed over the next time, so that those behind it are reached.
  while (proxied.ending !== "" && skipped.length < SKIPPED_MAX) {
    const next = [...straight.results.keys()].find(
      (name) => !(proxied.results.has(name) || skipped.includes(name)),
    );
    if (next === undefined) break;
    skipped.push(next);
    console.log(`  ends the unit: ${next}: ${proxied.ending}`);
    proxied = await runOnFresh(source, unit, true, skipped);
  }
  const worse = [...straight.results].filter(
    ([name, outcome]) => outcome === "ok" && proxied.results.get(name) !== "ok",
  );
  const passed = [...proxied.results.values()].filter((outcome) => outcome === "ok").length;
  console.log(`${unit}: ${straight.results.size} tests straight, ${passed} pass through the proxy`);
  for (const [name] of worse) if (!skipped.includes(name)) console.log(`  fails: ${name}`);
  return worse.length;
}

/** Runs the unit on a server of its own. */
async function runOnFresh(
  source: string,
  unit: string,
  isProxied: boolean,
  skipped: readonly string[],
): Promise<Outcome> {
  const server = await startServer();
  if (!isProxied) {
    const outcome = await runUnit(source, server.port, unit, skipped);
    await server.stop();
    return outcome;
  }
  const port = freePort();
  const lines = [
    `allow_commands: [${ALLOWED.join(", ")}]`,
    isCluster ? "timeout: 60s" : "timeout: 60000",
  ];
  const config = isCluster
    ? clusterPool(port, server, lines)
    : redisPool({ listen: `127.0.0.1:${port}`, servers: [server], lines });
  const proxy = await startProxy({ config, args: ["--workers", "1"] });
  const outcome = await runUnit(source, port, unit, skipped);
  await proxy.stop();
  await server.stop();
  return outcome;
}

async function startServer(): Promise<RedisServer> {
  const args = ["--enable-debug-command", "yes"];
  if (!isCluster) return startRedis({ args });
  const bus = ["--cluster-enabled", "yes", "--cluster-port", `${freePort()}`];
  const server = await startRedis({ args: [...args, ...bus] });
  const client = await RespClient.connect(server);
  await client.ask("CLUSTER", "ADDSLOTSRANGE", "0", "16383");
  while (!(await client.ask("CLUSTER", "INFO")).includes("cluster_state:ok")) await Bun.sleep(20);
  client.close();
  return server;
}

function clusterPool(port: number, server: RedisServer, lines: readonly string[]): string {
  const pool = [
    `listen: 127.0.0.1:${port}`,
    `redis_cluster: ["127.0.0.1:${server.port}"]`,
    ...lines,
  ];
  return ["pools:", "  main:", ...pool.map((line) => `    ${line}`), ""].join("\n");
}

process.exit(await main());
