/** A real Redis Cluster for tests: some primaries, each with a replica, on loopback ports. */
import { freePort } from "./free-port.ts";
import { type RedisServer, startRedis } from "./redis-server.ts";
import { RespClient } from "./resp-client.ts";

export interface RedisCluster {
  /** Primaries first, as they were made. */
  readonly nodes: readonly RedisServer[];
  /** Starts a node that is not part of it yet. */
  spare(): Promise<RedisServer>;
  /** Starts a node again that was killed, with what it knew of the cluster, on its port. */
  revive(node: RedisServer): Promise<RedisServer>;
  /** Runs `redis-cli --cluster ARGUMENTS`. @returns what it wrote. @throws when it fails */
  manage(...args: readonly string[]): Promise<string>;
  /** Every node that lives says that all slots are served, and by whom. */
  agree(): Promise<void>;
  stop(): Promise<void>;
}

const NODE_TIMEOUT_MS = 2_000;
const DEADLINE_MS = 60_000;

export async function startCluster(primaries: number, replicas: number): Promise<RedisCluster> {
  const nodes: RedisServer[] = [];
  const busPorts = new Map<number, number>();
  const argsOf = (busPort: number): string[] => [
    ...["--cluster-enabled", "yes", "--cluster-port", `${busPort}`],
    ...["--cluster-node-timeout", `${NODE_TIMEOUT_MS}`, "--repl-diskless-sync-delay", "0"],
  ];
  const node = async (): Promise<RedisServer> => {
    const busPort = freePort();
    const started = await startRedis({ args: argsOf(busPort) });
    busPorts.set(started.port, busPort);
    nodes.push(started);
    return started;
  };
  for (let i = 0; i < primaries * (1 + replicas); i++) await node();
  const cluster: RedisCluster = {
    nodes,
    spare: node,
    async revive({ port, process: { directory } }) {
      const args = [...argsOf(busPorts.get(port)!), "--dir", directory];
      const started = await startRedis({ port, args });
      nodes[nodes.findIndex((each) => each.port === port)] = started;
      return started;
    },
    manage: (...args) => runCli("--cluster", ...args),
    agree: () => agree(nodes),
    async stop() {
      await Promise.all(nodes.map((each) => each.stop()));
    },
  };
  const addresses = nodes.map(({ host, port }) => `${host}:${port}`);
  await cluster.manage(
    "create",
    ...addresses,
    "--cluster-replicas",
    `${replicas}`,
    "--cluster-yes",
  );
  await cluster.agree();
  return cluster;
}

async function runCli(...args: readonly string[]): Promise<string> {
  const child = Bun.spawn(["redis-cli", ...args], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), DEADLINE_MS);
  const texts = await Promise.all(
    [child.stdout, child.stderr].map((pipe) => new Response(pipe).text()),
  );
  const code = await child.exited;
  clearTimeout(timer);
  if (code !== 0) throw new Error(`redis-cli ${args.join(" ")}: ${texts.join("")}`);
  return texts.join("");
}

async function agree(nodes: readonly RedisServer[]): Promise<void> {
  const endMs = performance.now() + DEADLINE_MS;
  for (;;) {
    const views = await Promise.all(nodes.map(viewOf));
    const alive = views.filter((view) => view !== null);
    if (alive.length > 0 && alive.every((view) => view === alive[0] && view !== "")) return;
    if (performance.now() > endMs) throw new Error("the nodes do not agree");
    await Bun.sleep(20);
  }
}

/** Null: it does not live; "": it does not serve. */
async function viewOf({ host, port }: RedisServer): Promise<string | null> {
  try {
    const client = await RespClient.connect({ host, port }, 2_000);
    try {
      const info = await client.ask("CLUSTER", "INFO");
      const isServing = /cluster_state:ok/.test(info) && /cluster_slots_ok:16384/.test(info);
      const nodes = await client.ask("CLUSTER", "NODES");
      return isServing ? ownersIn(nodes) : "";
    } finally {
      client.close();
    }
  } catch {
    return null;
  }
}

/** Who has which slots, in the words of CLUSTER NODES. */
function ownersIn(nodes: string): string {
  return nodes
    .split("\n")
    .filter((line) => line.includes("master") && !line.includes("fail"))
    .map((line) => {
      const [id, , , , , , , , ...slots] = line.trim().split(" ");
      return `${id} ${slots.filter((slot) => !slot.startsWith("[")).join(" ")}`;
    })
    .sort()
    .join("\n");
}
