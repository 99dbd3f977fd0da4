/** `proxy module test FILE`: runs the cases of a module's author without sockets: whole, byte by byte, and with hand-overs. */

import type { OptionRows } from "proxy/module";
import type { Cases, Settings, Step } from "proxy/module/test";
import type { OptionSettings } from "../api/option.ts";
import type { Logger } from "../base/log.ts";
import { parseText } from "../config/values.ts";
import { initHashes } from "../hash/hash-function.ts";
import { bundleModule } from "../modules/bundle.ts";
import { type Definition, optionsOf, readDefinition } from "../modules/definition.ts";
import { unknownKey } from "../modules/known-keys.ts";
import { importCode } from "../modules/public.ts";
import type { Subject } from "./case-subject.ts";
import { FilterSubject } from "./filter-cases.ts";
import { configOf, ProtocolSubject } from "./protocol-cases.ts";

interface Read extends Cases {
  readonly module: unknown;
  readonly settings: Settings;
  readonly cases: Readonly<Record<string, readonly Step[]>>;
}

const WAYS = ["whole", "byte by byte", "with hand-overs"] as const;
const STEP_KEYS: readonly (keyof Step)[] = ["client", "serverSees", "serverSays", "clientSees"];
const SETTINGS_KEYS: readonly (keyof Settings)[] = ["protocol", "options", "servers", "greetings"];
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
  const create = subjectFor(definition, settings);
  if (typeof create === "string") return { passed: 0, failures: [`${path}: ${create}`] };
  await initHashes();
  const failures: string[] = [];
  let passed = 0;
  for (const [name, steps] of Object.entries(read.cases)) {
    for (const way of WAYS) {
      const failure = await runCase(create, steps, way);
      if (failure === null) passed += 1;
      else failures.push(`${name}, ${way}: ${failure}`);
    }
  }
  return { passed, failures };
}

/** What makes the subject of a case, or what is wrong with the settings as a sentence. */
function subjectFor(definition: Definition, settings: Settings): (() => Subject) | string {
  const unknown = unknownKey(settings, SETTINGS_KEYS);
  if (unknown !== null) return `the settings have an ${unknown}`;
  const fault = optionsFault(definition, settings);
  if (fault !== null) return fault;
  if (definition.kind === "filter") {
    const options = settingsFor(definition, settings);
    if (typeof options === "string") return options;
    return () => new FilterSubject(definition.definition, options, settings, LOG);
  }
  const config = configOf(definition, settings);
  return typeof config === "string"
    ? config
    : () => new ProtocolSubject(definition, config, settings, LOG);
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
      if (way === "with hand-overs") await subject.handOver();
      const failure = await runStep(subject, step, way);
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

async function runStep(subject: Subject, step: Step, way: Way): Promise<string | null> {
  const fault = unknownKey(step, STEP_KEYS);
  if (fault !== null) return fault;
  const says = byServer(subject, step.serverSays ?? []);
  const sees = byServer(subject, step.serverSees ?? "");
  if (typeof says === "string") return `serverSays: ${says}`;
  if (typeof sees === "string") return `serverSees: ${sees}`;
  const isWhole = way !== "byte by byte";
  const bytes = Buffer.from(step.client ?? "", "latin1");
  const piece = isWhole ? Math.max(1, bytes.length) : 1;
  for (let at = 0; at < bytes.length; at += piece) {
    await subject.client(Buffer.from(bytes.subarray(at, at + piece)));
  }
  return (await replyAll(subject, says, isWhole)) ?? compare(subject, sees, step.clientSees ?? "");
}

async function replyAll(
  subject: Subject,
  says: ReadonlyMap<string, readonly string[]>,
  isWhole: boolean,
): Promise<string | null> {
  for (const [name, replies] of says) {
    for (const text of replies) {
      const reply = Buffer.from(text, "latin1");
      const piece = isWhole ? Math.max(1, reply.length) : 1;
      if (await subject.serverSays(name, reply, piece)) continue;
      return `no request waits for a reply${subject.servers.length > 1 ? ` of ${name}` : ""}`;
    }
  }
  return null;
}

function compare(
  subject: Subject,
  sees: ReadonlyMap<string, string>,
  clientSees: string,
): string | null {
  const seen = subject.take();
  for (const name of subject.servers) {
    const who = subject.servers.length > 1 ? `server ${name}` : "server";
    const failure = difference(who, sees.get(name) ?? "", seen.servers.get(name) ?? "");
    if (failure !== null) return failure;
  }
  return difference("client", clientSees, seen.client);
}

/** What a step says of its servers by name, or what is wrong with it as a sentence. */
function byServer<Value extends string | readonly string[]>(
  { servers }: Subject,
  given: Value | Readonly<Record<string, Value>>,
): ReadonlyMap<string, Value> | string {
  if (typeof given !== "string" && !Array.isArray(given)) {
    return unknownKey(given, servers) ?? new Map(Object.entries(given) as [string, Value][]);
  }
  if (given.length === 0) return new Map();
  if (servers.length === 1) return new Map([[servers[0]!, given as Value]]);
  return `there are ${servers.length} servers; write { s1: … }`;
}

function difference(who: string, wanted: string, seen: string): string | null {
  if (wanted === seen) return null;
  return `the ${who} sees ${JSON.stringify(seen)} instead of ${JSON.stringify(wanted)}`;
}

const LOG: Logger = (() => {
  const error = (message: string): void => void process.stderr.write(`${message}\n`);
  const log = { error, warn() {}, info() {}, debug() {}, child: () => log };
  return log as unknown as Logger;
})();

function optionsFault({ definition }: Definition, { options = {} }: Settings): string | null {
  const names = Object.keys(definition.options ?? {});
  const fault = unknownKey(options, names);
  return fault === null ? null : `the options of the cases have an ${fault}`;
}

/** The module's options with the values of the cases, or what is wrong with them as a sentence. */
function settingsFor({ definition }: Definition, settings: Settings): OptionSettings | string {
  const given = settings.options ?? {};
  const rows = optionsOf(definition.options as OptionRows | undefined);
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
