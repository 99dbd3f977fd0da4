/** One pool of one worker within the test's own process, on real sockets, whose topology the test drives. */
import type { ServerConfig } from "../../src/api/config.ts";
import type { SlowRequest } from "../../src/api/inspection.ts";
import type { ProtocolModule, ProtocolPool } from "../../src/api/protocol-module.ts";
import type { ServerCounter } from "../../src/api/stats.ts";
import type { Topology } from "../../src/api/topology.ts";
import type { WorkerBus } from "../../src/api/worker-bus.ts";
import { Deadlines } from "../../src/base/deadlines.ts";
import { DescriptorBudget, planDescriptors } from "../../src/base/descriptor-budget.ts";
import type { Logger } from "../../src/base/log.ts";
import { LogLimit } from "../../src/base/log-limit.ts";
import { Turn } from "../../src/base/turn.ts";
import { RequestTape } from "../../src/client/request-tape.ts";
import { fieldOf, setField } from "../../src/config/live.ts";
import { loadConfig as load } from "../../src/config/load.ts";
import { findOption } from "../../src/config/option-path.ts";
import { bunEngine } from "../../src/engine/bun/engine.ts";
import { initHashes } from "../../src/hash/hash-function.ts";
import { directoryOf, findBlock } from "../../src/metrics/directory.ts";
import {
  addBlock,
  createStatsLayout,
  slotRegion,
  statsByteLength,
} from "../../src/metrics/layout.ts";
import { readCounters } from "../../src/metrics/read-counters.ts";
import { WorkerModules } from "../../src/modules/worker-modules.ts";
import { closeFd } from "../../src/os/fd.ts";
import { boundPort, listenTcp } from "../../src/os/listen-socket.ts";
import { PROTOCOLS, protocolNamed } from "../../src/protocols/registry.ts";
import { PartialReplies } from "../../src/server/partial-replies.ts";
import { memberOf } from "../../src/topology/static.ts";
import { WorkerMetrics } from "../../src/worker/metrics.ts";
import { PoolPlane } from "../../src/worker/pool-plane.ts";
import { unboundedMemory } from "./client-memory.ts";
import { loadConfig } from "./load-config.ts";

export interface PoolRig {
  readonly port: number;
  /** From now on these are the pool's servers. */
  become(servers: readonly ServerConfig[]): void;
  /** As `proxy config set` does: the option has this value, written as in a file. */
  set(option: string, value: string): void;
  /** The figures of the servers that the statistics show, by name. */
  shown(): ReadonlyMap<string, Readonly<Record<ServerCounter, number>>>;
  close(): void;
}

/** A bus without peers. */
const ALONE: WorkerBus = {
  broadcast() {},
  retain() {},
  clear() {},
  subscribe() {},
  query: (_topic, _data, done) => done([]),
  answer() {},
  answerLater() {},
  whenLost() {},
};

const SILENT: Logger = {
  error() {},
  warn() {},
  info() {},
  debug() {},
  setLevel() {},
  reopen() {},
  redirect() {},
  child: () => SILENT,
};

/** What a test wants to hear of. */
export interface PoolEars {
  /** A field of the pool's configuration is read: "timeoutMs", "limits.action", "options.mget_errors". */
  onRead?(field: string): void;
  /** A request was slow. */
  onSlow?(request: SlowRequest): void;
}

/** @param lines of the pool, in the native form, without `listen` and `servers` */
export async function startPool(
  servers: readonly ServerConfig[],
  lines: readonly string[] = [],
  ears: PoolEars = {},
): Promise<PoolRig> {
  await initHashes();
  const text = [
    "pools:",
    "  pool:",
    "    listen: 127.0.0.1:1",
    "    servers: [127.0.0.1:2:1 first]",
  ];
  const own = lines.map((line) => `    ${line}`);
  const whole = [...text, ...own, ""].join("\n");
  const { config, problems } = loadConfig(whole, "test.yaml");
  if (config === null) throw new Error(JSON.stringify(problems));
  const pool = watched(config.pools[0]!, "", (field) => ears.onRead?.(field));

  let layout = createStatsLayout(config, 1);
  const memory = new Float64Array(statsByteLength(layout) / 8);
  const region = slotRegion(memory, layout, 0);
  const metrics = new WorkerMetrics({
    ...{ layout, region },
    // The supervisor answers, but not at once.
    send: (message) =>
      setImmediate(() => {
        if (message.type !== "want_block") return;
        const { id, schema, labels } = message;
        layout = addBlock(layout, { schema, labels }) ?? layout;
        const block = findBlock(directoryOf(layout), { schema, labels });
        metrics.onBlock({ type: "block", id, base: block?.base ?? null });
      }),
  });

  const topology = drivenTopology(servers);
  const protocol = protocolNamed(pool.protocol);
  const driven: ProtocolModule = {
    ...protocol,
    createPool: (host): ProtocolPool => Object.assign(protocol.createPool(host), { topology }),
  };
  const modules = new WorkerModules(new Map());
  modules.protocolNamed = () => driven;

  const deadlines = new Deadlines(bunEngine.nowMs, bunEngine.timer);
  const plan = planDescriptors(4096, [{ servers: servers.length, serverConnections: 1 }]);
  let clients = 0;
  const descriptors = new DescriptorBudget(plan, () => clients);
  let ids = 0;
  const turn = new Turn(bunEngine);
  const plane = new PoolPlane({
    ...{
      pool,
      form: config.form,
      workers: 1,
      zone: null,
      layout: layout.pools[0]!,
      turn,
      memory: unboundedMemory(turn),
    },
    ...{ engine: bunEngine, deadlines, log: SILENT, logLimit: new LogLimit(), modules },
    ...{ partialReplies: new PartialReplies(), counters: region, bus: ALONE, metrics, descriptors },
    everywhere: (gauge) => region[layout.pools[0]!.base + gauge]!,
    makeRoom: () => true,
    refuse: () => null,
    perServer: pool.serverConnections,
    nextClientId: () => ++ids,
    ...{ tape: new RequestTape(), tellKeys() {} },
    slowReports: {
      hasRoom: () => ears.onSlow !== undefined,
      add: (request) => ears.onSlow?.(request),
    },
    onClientGone: () => clients--,
  });
  const fd = listenTcp({ ip: "127.0.0.1", port: 0, backlog: 64, reusePort: false });
  const port = boundPort(fd);
  const listening = bunEngine.listen(fd, plane.tuning, (stream) => {
    clients++;
    return plane.accept(stream);
  });
  return {
    port,
    become: (next) => topology.become(next),
    set(name, value) {
      const option = findOption(`pool.${name}`, config, PROTOCOLS);
      if (typeof option === "string") throw new Error(option);
      const override = { keys: option.keys!, text: value };
      const changed = load(whole, "test.yaml", PROTOCOLS, undefined, [override]);
      if (changed.config === null) throw new Error(JSON.stringify(changed.problems));
      const { field } = option;
      setField(config.pools[0]!, field, fieldOf(changed.config.pools[0]!, field));
      plane.onSettings();
    },
    shown: () =>
      new Map(
        readCounters(config, { layout, memory })[0]!.servers.map(({ name, counters }) => [
          name,
          counters,
        ]),
      ),
    close() {
      listening.stop();
      plane.close();
      deadlines.close();
      closeFd(fd);
    },
  };
}

/** Parts of a pool's configuration that have fields of their own. */
const PARTS: readonly string[] = ["limits", "options"];

function watched<Part extends object>(
  part: Part,
  path: string,
  onRead: (field: string) => void,
): Part {
  return new Proxy(part, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof name !== "string") return value;
      const field = path === "" ? name : `${path}.${name}`;
      onRead(field);
      return PARTS.includes(field) && value !== null
        ? watched(value as object, field, onRead)
        : value;
    },
  });
}

function drivenTopology(servers: readonly ServerConfig[]): Topology & {
  become(servers: readonly ServerConfig[]): void;
} {
  let onChange = (): void => {};
  return {
    members: servers.map(memberOf),
    epoch: 0,
    watch(listener) {
      onChange = listener;
    },
    close() {},
    become(next) {
      Object.assign(this, { members: next.map(memberOf), epoch: this.epoch + 1 });
      onChange();
    },
  };
}
