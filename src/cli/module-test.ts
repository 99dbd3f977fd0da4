/** `proxy module test FILE`: runs the cases of a module's author without sockets: whole, byte by byte, and with hand-overs. */

import type { OptionRows } from "proxy/module";
import type { Cases, Settings, Step } from "proxy/module/test";
import type { ClientPort } from "../api/client-port.ts";
import type { Filtering, RequestReader, RequestRecord } from "../api/filter.ts";
import type { Frontend } from "../api/frontend.ts";
import type { OptionSettings } from "../api/option.ts";
import type { Route } from "../api/upstream.ts";
import type { Logger } from "../base/log.ts";
import { LogLimit } from "../base/log-limit.ts";
import { schedule } from "../base/schedule.ts";
import { parseText } from "../config/values.ts";
import { bundleModule } from "../modules/bundle.ts";
import { type Definition, optionsOf, readDefinition } from "../modules/definition.ts";
import { PoolFilters } from "../modules/filter-chain.ts";
import { unknownKey } from "../modules/known-keys.ts";
import type { ModulePool } from "../modules/module-host.ts";
import { importCode } from "../modules/public.ts";
import { TerminalPool } from "../modules/terminal-protocol.ts";
import { memcacheFiltering } from "../protocols/memcache/client/text/filtering.ts";
import { createRedisFiltering } from "../protocols/redis/client/filtering.ts";
import { CommandTable } from "../protocols/redis/commands/command-table.ts";

interface Read extends Cases {
  readonly module: unknown;
  readonly settings: Settings;
  readonly cases: Readonly<Record<string, readonly Step[]>>;
}

/** What a module does with one client's bytes. */
interface Subject {
  client(bytes: Buffer): void;
  /** A reply for the oldest request that waits. @returns false: none waits */
  serverSays(reply: Buffer): boolean;
  /** Another process takes the client over. */
  handOver(): void;
  /** What was seen since the last time, as latin1. */
  take(): { readonly server: string; readonly client: string };
  close(): Promise<void>;
}

const WAYS = ["whole", "byte by byte", "with hand-overs"] as const;
const STEP_KEYS: readonly (keyof Step)[] = ["client", "serverSees", "serverSays", "clientSees"];
const SETTINGS_KEYS: readonly (keyof Settings)[] = ["protocol", "options"];
type Way = (typeof WAYS)[number];

/** @returns one line for each case and way that went wrong; the number of those that went right */
export async function runCases(
  path: string,
): Promise<{ readonly passed: number; readonly failures: readonly string[] }> {
  const bundle = await bundleModule(path);
  if (typeof bundle === "string") return { passed: 0, failures: [`${path}: ${bundle}`] };
  let read: Read | undefined;
  try {
    read = (await importCode(bundle.code)) as Read | undefined;
  } catch (error) {
    return { passed: 0, failures: [`${path}: importing it fails: ${messageOf(error)}`] };
  }
  if (read?.kind !== "cases") {
    return { passed: 0, failures: [`${path} has no default export made by cases`] };
  }
  const definition = readDefinition(read.module);
  if (typeof definition === "string") return { passed: 0, failures: [`${path}: ${definition}`] };
  const settings = read.settings ?? {};
  const options = settingsFor(definition, settings);
  if (typeof options === "string") return { passed: 0, failures: [`${path}: ${options}`] };
  const failures: string[] = [];
  let passed = 0;
  for (const [name, steps] of Object.entries(read.cases)) {
    for (const way of WAYS) {
      const failure = await runCase(() => subjectOf(definition, options, settings), steps, way);
      if (failure === null) passed += 1;
      else failures.push(`${name}, ${way}: ${failure}`);
    }
  }
  return { passed, failures };
}

function subjectOf(definition: Definition, options: OptionSettings, settings: Settings): Subject {
  const pool = createPool();
  return definition.kind === "filter"
    ? new FilterSubject(definition.definition, options, pool, settings)
    : new ProtocolSubject(definition.definition, options, pool);
}

async function runCase(
  create: () => Subject,
  steps: readonly Step[],
  way: Way,
): Promise<string | null> {
  let subject: Subject | null = null;
  try {
    subject = create();
    for (const [index, step] of steps.entries()) {
      if (way === "with hand-overs") subject.handOver();
      const failure = runStep(subject, step, way);
      if (failure !== null) return `step ${index + 1}: ${failure}`;
    }
    return null;
  } catch (error) {
    return messageOf(error);
  } finally {
    await subject?.close();
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function runStep(subject: Subject, step: Step, way: Way): string | null {
  const fault = unknownKey(step, STEP_KEYS);
  if (fault !== null) return fault;
  const bytes = Buffer.from(step.client ?? "", "latin1");
  const size = way === "byte by byte" ? 1 : Math.max(1, bytes.length);
  for (let at = 0; at < bytes.length; at += size) {
    subject.client(Buffer.from(bytes.subarray(at, at + size)));
  }
  for (const reply of step.serverSays ?? []) {
    if (!subject.serverSays(Buffer.from(reply, "latin1"))) return "no request waits for a reply";
  }
  const seen = subject.take();
  return (
    difference("server", step.serverSees ?? "", seen.server) ??
    difference("client", step.clientSees ?? "", seen.client)
  );
}

function difference(who: string, wanted: string, seen: string): string | null {
  if (wanted === seen) return null;
  return `the ${who} sees ${JSON.stringify(seen)} instead of ${JSON.stringify(wanted)}`;
}

class FilterSubject implements Subject {
  readonly #start: () => PoolFilters;
  readonly #filtering: Filtering;
  readonly #chains: PoolFilters[] = [];
  #reader: RequestReader;
  #input: Buffer = Buffer.alloc(0);
  #server = "";
  #client = "";
  /** Requests in their order; `reply` is there when it is known. */
  readonly #owed: { readonly record: RequestRecord; reply: Buffer | null }[] = [];

  constructor(
    definition: Extract<Definition, { kind: "filter" }>["definition"],
    options: OptionSettings,
    pool: ModulePool,
    { protocol = "redis" }: Settings,
  ) {
    const redis = createRedisFiltering(new CommandTable());
    this.#filtering = protocol === "redis" ? redis : memcacheFiltering;
    this.#start = () =>
      new PoolFilters(pool, NO_SERVERS, this.#filtering, [{ definition, options }]);
    this.#chains.push(this.#start());
    this.#reader = this.#filtering.createReader(undefined);
  }

  client(bytes: Buffer): void {
    this.#input = Buffer.concat([this.#input, bytes]);
    for (;;) {
      const next = this.#reader.scan(this.#input, 0, this.#input.length);
      if (next < 0) throw new Error("the client's bytes are no request");
      if (next === 0) return;
      const request = this.#input.subarray(0, next);
      if (this.#reader.isRequest) this.#judge(request);
      this.#input = Buffer.from(this.#input.subarray(next));
    }
  }

  #judge(request: Buffer): void {
    const chain = this.#chains.at(-1)!;
    const record = chain.createRecord(this.#reader);
    const reply = chain.judge(this.#reader, { peer: "127.0.0.1:1" }, record);
    this.#owed.push({ record, reply });
    if (reply === null) this.#server += request.toString("latin1");
    else chain.done(record, "refused", reply, 0, reply.length);
    this.#flush();
  }

  serverSays(reply: Buffer): boolean {
    const owed = this.#owed.find((one) => one.reply === null);
    if (owed === undefined) return false;
    owed.reply = reply;
    const isError = this.#filtering.isError(reply, 0, reply.length);
    this.#chains.at(-1)!.done(owed.record, isError ? "error" : "reply", reply, 0, reply.length);
    this.#flush();
    return true;
  }

  #flush(): void {
    while (this.#owed[0] !== undefined && this.#owed[0].reply !== null) {
      this.#client += this.#owed.shift()!.reply!.toString("latin1");
    }
  }

  /** A client moves when its requests are answered. */
  handOver(): void {
    if (this.#owed.length > 0) return;
    this.#chains.push(this.#start());
    this.#reader = this.#filtering.createReader(undefined);
  }

  take(): { server: string; client: string } {
    const seen = { server: this.#server, client: this.#client };
    this.#server = "";
    this.#client = "";
    return seen;
  }

  async close(): Promise<void> {
    for (const chain of this.#chains) await chain.stop();
  }
}

class ProtocolSubject implements Subject {
  readonly #start: () => TerminalPool;
  #frontend: Frontend;
  #client = "";
  #isClosed = false;

  constructor(
    definition: Extract<Definition, { kind: "protocol" }>["definition"],
    options: OptionSettings,
    pool: ModulePool,
  ) {
    this.#start = () => new TerminalPool(definition, options, pool);
    this.#frontend = this.#start().createFrontend(this.#port(), undefined, []);
  }

  client(bytes: Buffer): void {
    if (!this.#isClosed) this.#frontend.consume(bytes, 0, bytes.length);
  }

  serverSays(): boolean {
    return false;
  }

  handOver(): void {
    if (this.#isClosed || !this.#frontend.isReadyToMove) return;
    const saved: unknown = JSON.parse(JSON.stringify(this.#frontend.saveState()));
    this.#frontend.leave();
    this.#frontend = this.#start().createFrontend(this.#port(), saved, []);
  }

  take(): { server: string; client: string } {
    const client = this.#client;
    this.#client = "";
    return { server: "", client };
  }

  close(): Promise<void> {
    this.#frontend.close();
    return Promise.resolve();
  }

  /** What a protocol of a module uses of a client. */
  #port(): ClientPort {
    const close = (): void => {
      this.#isClosed = true;
    };
    const port: Pick<ClientPort, "peer" | "mayTakeMore" | "push" | "finish" | "close"> = {
      peer: "127.0.0.1:1",
      mayTakeMore: () => !this.#isClosed,
      push: (bytes, start, end) => {
        this.#client += bytes.toString("latin1", start, end);
      },
      ...{ finish: close, close },
    };
    return port as ClientPort;
  }
}

const NO_SERVERS = { pick: () => null } as unknown as Route;

function createPool(): ModulePool {
  const say = (message: string): void => void process.stderr.write(`${message}\n`);
  const log = { error: say, warn() {}, info() {}, debug() {} } as unknown as Logger;
  return {
    ...{ name: "test", log, logLimit: new LogLimit(), schedule, now: () => performance.now() },
    counter: () => ({ add() {} }),
  };
}

/** The module's options with the values of the cases, or what is wrong with them as a sentence. */
function settingsFor({ definition }: Definition, settings: Settings): OptionSettings | string {
  const fault = unknownKey(settings, SETTINGS_KEYS);
  if (fault !== null) return `the settings have an ${fault}`;
  const given = settings.options ?? {};
  const rows = optionsOf(definition.options as OptionRows | undefined);
  const unknown = unknownKey(
    given,
    rows.map(({ name }) => name),
  );
  if (unknown !== null) return `the options of the cases have an ${unknown}`;
  const values: Record<string, OptionSettings[string]> = {};
  for (const row of rows) {
    const value = given[row.name];
    const text = value === undefined ? row.default.native : String(value);
    if (Array.isArray(value) || text === null) {
      const list = row.type.kind === "texts" ? ((value ?? []) as readonly string[]) : null;
      values[row.name] = { value: list, text: null, isSet: value !== undefined };
      continue;
    }
    const parsed = parseText(row, text);
    if (!parsed.ok) return `option ${row.name}: ${parsed.message}`;
    values[row.name] = { value: parsed.value, text, isSet: value !== undefined };
  }
  return values;
}
