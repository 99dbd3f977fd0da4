/** What can happen to a proxy on a bad day, and how it is made to happen. */
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { runToEnd, startTalker, stopChild, type Talker } from "./children.ts";
import type { KeySpace } from "./key-space.ts";
import { READY, type StampedeOrder, type StampedeReport } from "./load/stampede.ts";
import { maintenanceCommand, type RunningProxy, startProxy, stopProxy } from "./running-proxy.ts";
import { fillOne, type Server, startServer } from "./servers.ts";

/** What an incident may touch. Those that replace a proxy or a server put the new one here. */
export interface Scene {
  proxy: RunningProxy;
  readonly servers: Server[];
  readonly space: KeySpace;
  /** What each server's values are filled up with. */
  readonly fillers: readonly string[];
}

export interface Incident {
  readonly name: string;
  /** Whether it concerns one server: then its keys are shown apart. */
  readonly isOfShard: boolean;
  /** Before the load begins; default: nothing. */
  prepare?(scene: Scene): Promise<void>;
  /** Lasts as long as the incident does. @returns what else is to be said about it. */
  strike(scene: Scene): Promise<string>;
}

/** The server that becomes slow, or dies. */
export const SICK_SERVER = 0;
const LASTS_MS = 2_500;
const SLOW_STOPPED_MS = 20;
const SLOW_RUNNING_MS = 5;
const MAINTENANCE_TIMEOUT_MS = 20_000;
export const STAMPEDE_CLIENTS = 5_000;
const STAMPEDE_TIMEOUT_MS = 60_000;

const slowShard: Incident = {
  name: "slow shard",
  isOfShard: true,
  async strike({ servers }) {
    const { pid } = servers[SICK_SERVER]!.child;
    const end = performance.now() + LASTS_MS;
    while (performance.now() < end) {
      process.kill(pid, "SIGSTOP");
      await Bun.sleep(SLOW_STOPPED_MS);
      process.kill(pid, "SIGCONT");
      await Bun.sleep(SLOW_RUNNING_MS);
    }
    return `stopped ${SLOW_STOPPED_MS} of every ${SLOW_STOPPED_MS + SLOW_RUNNING_MS} ms`;
  },
};

const deadShard: Incident = {
  name: "dead shard",
  isOfShard: true,
  async strike({ servers, space, fillers }) {
    const { port, child } = servers[SICK_SERVER]!;
    process.kill(child.pid, "SIGKILL");
    await stopChild(child);
    await Bun.sleep(LASTS_MS);
    servers[SICK_SERVER] = await startServer("redis-again", port);
    await fillOne(port, space, fillers[SICK_SERVER]!);
    return "killed, and started again empty, then filled";
  },
};

const reload: Incident = {
  name: "reload",
  isOfShard: false,
  strike: (scene) => {
    const { reload: words, change } = scene.proxy.kind.maintenance;
    appendFileSync(scene.proxy.config, change);
    return maintain(scene, words);
  },
};

const upgrade: Incident = {
  name: "upgrade",
  isOfShard: false,
  strike: (scene) => maintain(scene, scene.proxy.kind.maintenance.upgrade),
};

let crowd: Talker | null = null;

const stampede: Incident = {
  name: `${STAMPEDE_CLIENTS.toLocaleString("en")} reconnects`,
  isOfShard: false,
  async prepare({ proxy, space }) {
    const order: StampedeOrder = {
      ...{ port: proxy.port, clients: STAMPEDE_CLIENTS, keys: space.keys },
    };
    const program = join(import.meta.dir, "load", "stampede.ts");
    crowd = startTalker([process.execPath, program, JSON.stringify(order)]);
    const said = await crowd.line(STAMPEDE_TIMEOUT_MS, proxy.name);
    if (said !== READY) throw new Error(`the stampede said ${said}`);
  },
  async strike({ proxy }) {
    crowd!.say("go");
    const line = await crowd!.line(STAMPEDE_TIMEOUT_MS, proxy.name);
    const { answered, failed, p50Ms, lastMs } = JSON.parse(line) as StampedeReport;
    await crowd!.end();
    const times = `half of them after ${p50Ms.toFixed(0)} ms, the last after ${lastMs.toFixed(0)} ms`;
    return `${answered} answered, ${times}${failed === 0 ? "" : `, ${failed} failed`}`;
  },
};

export const INCIDENTS: readonly Incident[] = [slowShard, deadShard, reload, upgrade, stampede];

/** A proxy that can do it while it serves is told to; any other is stopped and started again. */
async function maintain(scene: Scene, words: readonly string[] | null): Promise<string> {
  const { proxy } = scene;
  if (words !== null) {
    const command = maintenanceCommand(proxy, words);
    return (await runToEnd(command, MAINTENANCE_TIMEOUT_MS, proxy.name)).trim();
  }
  await stopProxy(proxy);
  const ports = scene.servers.map(({ port }) => port);
  scene.proxy = await startProxy(proxy.kind, ports, "redis", proxy.port);
  return "cannot: stopped and started again";
}
