/** A real Redis Cluster, three primaries with a replica each, behind two workers: slots that move, a node that comes, a primary that dies and returns. */
import { ClusterLoad } from "../../test/support/cluster-load.ts";
import { freePort } from "../../test/support/free-port.ts";
import { type ProxyProcess, startProxy } from "../../test/support/proxy-process.ts";
import { type RedisCluster, startCluster } from "../../test/support/redis-cluster.ts";
import type { RedisServer } from "../../test/support/redis-server.ts";
import { mustRun } from "../../test/support/run-command.ts";
import { ask, callsOf, type Place, Watcher } from "./asked.ts";
import { Beat, slotOf } from "./beat.ts";
import { markOf, type Row, rowOf, say } from "./report.ts";

const LOOKS = "cluster\\|slots";
const QUIET_MS = 8_000;
const AFTER_MS = 6_000;

export interface Scene {
  readonly cluster: RedisCluster;
  readonly proxy: ProxyProcess;
  readonly port: number;
  readonly stop: () => Promise<void>;
}

export async function startScene(lines: readonly string[] = []): Promise<Scene> {
  const cluster = await startCluster(3, 1);
  const port = freePort();
  const seeds = cluster.nodes.map(placeOf).filter((_, i) => i < 2);
  const pool = [
    `listen: 127.0.0.1:${port}`,
    `redis_cluster: [${seeds.join(", ")}]`,
    ...["timeout: 5s", ...lines],
  ];
  const config = ["pools:", "  main:", ...pool.map((line) => `    ${line}`), ""].join("\n");
  const proxy = await startProxy({ config, args: ["--workers", "2"] });
  const stop = async (): Promise<void> => {
    await proxy.stop();
    await cluster.stop();
  };
  return { cluster, proxy, port, stop };
}

export function placeOf({ host, port }: Place): string {
  return `${host}:${port}`;
}

interface Primary {
  readonly id: string;
  readonly port: number;
  readonly ranges: readonly (readonly [number, number])[];
  /** Ports of its replicas. */
  readonly replicas: readonly number[];
}

export async function primariesOf(nodes: readonly RedisServer[]): Promise<readonly Primary[]> {
  for (const node of nodes) {
    const text = await ask(node, "CLUSTER", "NODES");
    if (text === null) continue;
    const lines = text.split("\n").map((line) => line.trim().split(" "));
    const portOf = (place: string): number => Number(/:(\d+)/.exec(place)?.[1]);
    return lines
      .filter(([, , flags = ""]) => /(^|,)master$/.test(flags))
      .map(([id = "", place = "", , , , , , , ...slots]) => ({
        ...{ id, port: portOf(place), ranges: slots.filter(isRange).map(rangeOf) },
        replicas: lines.filter((line) => line[3] === id).map((line) => portOf(line[1]!)),
      }));
  }
  return [];
}

const isRange = (text: string): boolean => /^\d/.test(text);
const rangeOf = (text: string): readonly [number, number] => {
  const [first = "", last = first] = text.split("-");
  return [Number(first), Number(last)];
};

export async function measureCluster(): Promise<readonly Row[]> {
  const scene = await startScene();
  const { cluster, port } = scene;
  const rows: Row[] = [];
  const beat = await Beat.start({ port, connections: 16, perSecond: 400 });
  const load = new ClusterLoad({ port, clients: 4, pauseMs: 40 });
  await load.start();
  const during = async (what: string, act: () => Promise<unknown>): Promise<void> => {
    say(what);
    beat.take();
    const [before, looks, startMs] = [
      markOf(load),
      await callsOf(cluster.nodes, LOOKS),
      performance.now(),
    ];
    await act();
    const ms = performance.now() - startMs;
    const asked = (await callsOf(cluster.nodes, LOOKS)) - looks;
    rows.push(rowOf(what, ms, beat.take(), load, before, asked));
  };
  await Bun.sleep(1_000);
  await during("nothing", () => Bun.sleep(QUIET_MS));
  await during("1,500 slots move", async () => {
    const [from, to] = await primariesOf(cluster.nodes);
    await reshard(cluster, from!.id, to!.id, 1_500);
  });
  const spare = await cluster.spare();
  await during("a node comes, and 600 slots move to it", async () => {
    await cluster.manage("add-node", placeOf(spare), placeOf(cluster.nodes[0]!));
    const find = async (): Promise<Primary | undefined> =>
      (await primariesOf(cluster.nodes)).find((each) => each.port === spare.port);
    while ((await find()) === undefined) await Bun.sleep(20);
    await Bun.sleep(1_500);
    await cluster.agree();
    await reshard(cluster, "all", (await find())!.id, 600);
  });
  await during("nothing again", () => Bun.sleep(QUIET_MS));
  await load.stop();
  await beat.stop();
  await scene.stop();
  return rows;
}

async function reshard(
  { manage, nodes }: RedisCluster,
  from: string,
  to: string,
  slots: number,
): Promise<void> {
  await manage(
    ...["reshard", placeOf(nodes[0]!), "--cluster-from", from, "--cluster-to", to],
    ...["--cluster-slots", `${slots}`, "--cluster-yes", "--cluster-pipeline", "20"],
  );
}

/**
 * A primary is killed, its replica takes over, and it returns as a replica.
 * @param meanwhile what else happens while the cluster is without it
 */
export async function measureDeath(
  lines: readonly string[] = [],
  meanwhile: readonly (readonly [what: string, (proxy: ProxyProcess) => Promise<unknown>])[] = [
    ["a primary is killed", async () => {}],
  ],
): Promise<readonly Row[]> {
  const scene = await startScene(lines);
  const { cluster, port, proxy } = scene;
  const rows: Row[] = [];
  const beat = await Beat.start({ port, connections: 16, perSecond: 400, mayLose: true });
  const load = new ClusterLoad({
    ...{ port, clients: 4, pauseMs: 40 },
    ...{ mayFail: true, mayLose: true },
  });
  await load.start();
  for (const [what, act] of meanwhile) {
    say(what);
    beat.take();
    let before = markOf(load);
    const looks = await callsOf(cluster.nodes, LOOKS);
    const victim = (await primariesOf(cluster.nodes)).find(({ replicas }) => replicas.length > 0)!;
    const alive = cluster.nodes.filter((node) => node.port !== victim.port);
    const heir = alive.find((node) => node.port === victim.replicas[0])!;
    const isOfVictim = (key: string): boolean =>
      victim.ranges.some(([first, last]) => first <= slotOf(key) && slotOf(key) <= last);
    const died = performance.now();
    const node = cluster.nodes.find((each) => each.port === victim.port)!;
    process.kill(node.pid, "SIGKILL");
    const times = watchTakeover(alive, heir, victim.ranges[0]![0]);
    let served = 0;
    beat.onServed = (key, dueMs) => {
      if (served === 0 && dueMs > died && isOfVictim(key)) served = performance.now();
    };
    const acting = act(proxy);
    while (served === 0 || times.agreed === 0) await Bun.sleep(5);
    await acting;
    await times.stop();
    await Bun.sleep(AFTER_MS / 2);
    const ms = performance.now() - died;
    const asked = (await callsOf(alive, LOOKS)) - looks;
    rows.push(rowOf(what, ms, beat.take(), load, before, asked));
    for (const [text, count] of load.errorsSeen) say(`${count}× ${text}`);
    load.errorsSeen.clear();
    say(
      `the new primary served by itself ${(times.heirServed - died).toFixed(0)} ms after the kill, all servers agreed after ` +
        `${(times.agreed - died).toFixed(0)} ms; served through the proxy ${(served - times.heirServed).toFixed(0)} ms after the first, ` +
        `${(served - times.agreed).toFixed(0)} ms after the second`,
    );
    before = markOf(load);
    const again = performance.now();
    await cluster.revive(node);
    await cluster.agree();
    await Bun.sleep(AFTER_MS / 2);
    const calm = beat.take();
    rows.push(
      rowOf("the old primary returns", performance.now() - again, calm, load, before, null),
    );
  }
  await load.stop();
  await beat.stop();
  await scene.stop();
  return rows;
}

/** When the heir first executed a write itself, and when all that live said that it has the slots. */
function watchTakeover(
  alive: readonly RedisServer[],
  heir: RedisServer,
  slot: number,
): { heirServed: number; agreed: number; stop: () => Promise<void> } {
  const agreeing = new Set<number>();
  const key = keyOfSlot(slot);
  const writes = new Watcher([heir], ["SET", key, "x"], 2, (_, answer) => {
    if (times.heirServed === 0 && answer === "+OK\r\n") times.heirServed = performance.now();
  });
  // Not as the proxy asks, because its questions are counted.
  const views = new Watcher(alive, ["CLUSTER", "NODES"], 5, ({ port }, answer) => {
    const lines = answer?.split("\n").map((line) => line.trim().split(" ")) ?? [];
    const owner = lines.find(([, , , , , , , , ...slots]) =>
      slots.filter(isRange).some((text) => {
        const [first, last] = rangeOf(text);
        return first <= slot && slot <= last;
      }),
    );
    if (owner?.[1]?.includes(`:${heir.port}@`) === true) agreeing.add(port);
    if (times.agreed === 0 && agreeing.size === alive.length) times.agreed = performance.now();
  });
  const times = {
    ...{ heirServed: 0, agreed: 0 },
    async stop(): Promise<void> {
      await Promise.all([writes.stop(), views.stop()]);
    },
  };
  return times;
}

export function keyOfSlot(slot: number): string {
  for (let i = 0; ; i++) if (slotOf(`at:${i}`) === slot) return `at:${i}`;
}

/** While no server has the slots of the one that was killed. */
export const UPKEEP: readonly (readonly [string, (proxy: ProxyProcess) => Promise<unknown>])[] = [
  ["killed, and a reload meanwhile", (proxy) => mustRun(proxy, "reload")],
  ["killed, and an upgrade meanwhile", (proxy) => mustRun(proxy, "upgrade")],
];
