/** A protocol of a module in its author's cases: pools as workers have them, without sockets. */
import type { Settings } from "proxy/module/test";
import type { Address, Config } from "../api/config.ts";
import type { SavedSession } from "../api/move.ts";
import type { WorkerBus } from "../api/worker-bus.ts";
import { assert } from "../base/assert.ts";
import { Deadlines } from "../base/deadlines.ts";
import { DescriptorBudget, planDescriptors } from "../base/descriptor-budget.ts";
import type { Logger } from "../base/log.ts";
import { LogLimit } from "../base/log-limit.ts";
import { Turn } from "../base/turn.ts";
import { ClientMemory } from "../client/client-memory.ts";
import { RequestTape } from "../client/request-tape.ts";
import { loadConfig } from "../config/load.ts";
import { createStatsLayout, slotRegion, statsByteLength } from "../metrics/layout.ts";
import { type Definition, isProxied, optionsOf } from "../modules/definition.ts";
import { WorkerModules } from "../modules/worker-modules.ts";
import { PROTOCOLS } from "../protocols/registry.ts";
import { PartialReplies } from "../server/partial-replies.ts";
import { WorkerMetrics } from "../worker/metrics.ts";
import { PoolPlane } from "../worker/pool-plane.ts";
import { CaseConnection, CaseEngine } from "./case-engine.ts";
import { CaseServer } from "./case-server.ts";
import type { Subject } from "./case-subject.ts";

const FILE = "cases.yaml";
const MODULE = "./module.ts";
const OPEN_FILES = 1024;
const SERVERS_MAX = 100;
/** So many turns without an event: nothing more will happen by itself. */
const QUIET_TURNS = 6;

type Protocol = Extract<Definition, { kind: "protocol" }>;

/** The configuration that `settings` ask for, or what is wrong with them as a sentence. */
export function configOf({ definition }: Protocol, settings: Settings): Config | string {
  const needsServers = isProxied(definition);
  const { servers = 1, options = {} } = settings;
  if (!Number.isInteger(servers) || servers < 1 || servers > SERVERS_MAX) {
    return `servers must be a number between 1 and ${SERVERS_MAX}`;
  }
  const list = Array.from({ length: servers }, (_, i) => `127.0.0.1:${i + 1}:1 s${i + 1}`);
  const test = {
    ...{ protocol: definition.name, listen: "127.0.0.1:65535", ...options },
    ...(needsServers ? { servers: list } : {}),
  };
  const module = {
    ...{ kind: "protocol" as const, name: definition.name, path: MODULE, code: "", hash: "" },
    ...{ options: optionsOf(definition.options), needsServers },
  };
  const text = JSON.stringify({ modules: [MODULE], pools: { test } });
  const loaded = loadConfig(text, FILE, PROTOCOLS, new Map([[MODULE, module]]));
  return loaded.config ?? loaded.problems.map(({ message }) => message).join("; ");
}

export class ProtocolSubject implements Subject {
  private readonly definition: Protocol;
  private readonly config: Config;
  private readonly log: Logger;
  private readonly all: ReadonlyMap<string, CaseServer>;
  private readonly engine: CaseEngine;
  private readonly turn: Turn;
  private readonly deadlines: Deadlines;
  private readonly modules: WorkerModules[] = [];
  private readonly planes: PoolPlane[] = [];
  private readonly connection: CaseConnection;
  private clientSees = "";
  /** Counts what happened. */
  private events = 0;

  /** To be made when `initHashes` is done. */
  constructor(definition: Protocol, config: Config, settings: Settings, log: Logger) {
    this.definition = definition;
    this.config = config;
    this.log = log;
    const note = (): void => void this.events++;
    const proxied = isProxied(definition.definition) ? definition.definition : null;
    const greetings = settings.greetings ?? [];
    const { servers } = config.pools[0]!;
    this.all = new Map(servers.map(({ name }) => [name, new CaseServer(proxied, greetings, note)]));
    this.engine = new CaseEngine((address) => this.serverAt(address).connect());
    this.turn = new Turn(this.engine);
    this.deadlines = new Deadlines(this.engine.nowMs, this.engine.timer);
    this.connection = new CaseConnection((bytes) => {
      this.clientSees += bytes.toString("latin1");
      note();
    });
    this.engine.add(this.connection);
    const plane = this.addPlane();
    this.connection.attach((stream) => plane.accept(stream));
  }

  get servers(): readonly string[] {
    return [...this.all.keys()];
  }

  private serverAt(address: Address): CaseServer {
    const server = address.kind === "tcp" ? this.all.get(`s${address.port}`) : undefined;
    assert(server !== undefined, "the address is one of a case");
    return server;
  }

  /** Another process. */
  private addPlane(): PoolPlane {
    const { config, engine, turn, deadlines, log, definition } = this;
    const layout = createStatsLayout(config, 1);
    const memory = new Float64Array(statsByteLength(layout) / Float64Array.BYTES_PER_ELEMENT);
    const counters = slotRegion(memory, layout, 0);
    const modules = new WorkerModules(
      new Map([[`protocol ${definition.definition.name}`, definition]]),
    );
    let ids = 0;
    const unbounded = (): number => Number.POSITIVE_INFINITY;
    const plane = new PoolPlane({
      memory: new ClientMemory({ turn, budget: unbounded, holders: () => [], onGarbage() {} }),
      ...{
        pool: config.pools[0]!,
        form: config.form,
        zone: null,
        workers: 1,
        layout: layout.pools[0]!,
        engine,
        turn,
      },
      ...{ deadlines, log, logLimit: new LogLimit(), modules, counters, bus: NO_BUS },
      ...{ partialReplies: new PartialReplies(), perServer: 1 },
      descriptors: new DescriptorBudget(planDescriptors(OPEN_FILES, []), () => 0),
      metrics: new WorkerMetrics({ layout, region: counters, send() {} }),
      everywhere: () => 0,
      makeRoom: () => true,
      refuse: () => null,
      nextClientId: () => ++ids,
      ...{
        tape: new RequestTape(),
        slowReports: { hasRoom: () => false, add() {} },
        tellKeys() {},
      },
      onClientGone() {},
    });
    for (const server of this.all.values()) {
      server.handshakeBytes = plane.protocol.serverProtocols[0]?.handshake.length ?? 0;
    }
    this.modules.push(modules);
    this.planes.push(plane);
    return plane;
  }

  async client(bytes: Buffer): Promise<void> {
    this.connection.deliver(bytes);
    await this.settle();
  }

  async serverSays(name: string, reply: Buffer, pieces: number): Promise<boolean> {
    const connection = this.all.get(name)?.next() ?? null;
    if (connection === null) return false;
    for (let at = 0; at < reply.length; at += pieces) {
      connection.deliver(Buffer.from(reply.subarray(at, at + pieces)));
      await this.settle();
    }
    return true;
  }

  async handOver(): Promise<void> {
    const [session] = this.planes.at(-1)!.sessions;
    if (session === undefined || !session.canMove) return;
    let saved: SavedSession | null = null;
    session.move.begin(() => {
      if (saved !== null) return;
      saved = session.move.save();
      session.move.leave();
    });
    await this.settle();
    // A client is handed over when nothing is owed to it, or what is owed moves along.
    if (saved === null) session.move.cancel();
    else this.adopt(JSON.parse(JSON.stringify((saved as SavedSession).client)), saved);
    await this.settle();
  }

  private adopt(client: unknown, { input, output, descriptors }: SavedSession): void {
    const plane = this.addPlane();
    const saved = { client, input, output, descriptors };
    this.engine.adopt(this.connection.fd, null, (stream) => plane.adopt(stream, saved));
  }

  /** Waits until nothing more happens. */
  private async settle(): Promise<void> {
    let quiet = 0;
    let { events } = this;
    while (quiet < QUIET_TURNS) {
      await new Promise((resolve) => setImmediate(resolve));
      quiet = events === this.events ? quiet + 1 : 0;
      events = this.events;
    }
  }

  take(): { servers: ReadonlyMap<string, string>; client: string } {
    const servers = new Map([...this.all].map(([name, { seen }]) => [name, seen]));
    for (const server of this.all.values()) server.seen = "";
    const client = this.clientSees;
    this.clientSees = "";
    return { servers, client };
  }

  async close(): Promise<void> {
    for (const plane of this.planes) plane.close();
    this.deadlines.close();
    for (const modules of this.modules) await modules.stop();
  }
}

const NO_BUS: WorkerBus = {
  ...{
    broadcast() {},
    retain() {},
    clear() {},
    subscribe() {},
    answer() {},
    answerLater() {},
    whenLost() {},
  },
  query: (_topic, _data, done) => done([]),
};
