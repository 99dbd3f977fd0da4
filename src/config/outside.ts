/** Modules of the file that are not built in: found before the rest is read, because their options are part of the file. */
import { dirname, resolve } from "node:path";
import type { ModuleConfig } from "../api/config.ts";
import type { Option } from "../api/option.ts";
import { describe, type MapNode, type Node, readDocument } from "./document.ts";
import { type FilterOptions, optionsAt, type ProtocolOptions } from "./options.ts";
import { ProblemList, quote } from "./problem.ts";
import type { Scope } from "./scope.ts";

/** A module that was loaded. */
export interface OutsideModule extends ModuleConfig {
  readonly options: readonly Option[];
  /** Of a protocol: its requests go on to servers. */
  readonly needsServers?: boolean;
}

/** By path as the file has it: the module, or what is wrong with it as a sentence. */
export type Outside = ReadonlyMap<string, OutsideModule | string>;

export const NO_MODULES: Outside = new Map();

/** The paths that the file names, as it has them; none where the file is wrong. */
export function modulePaths(text: string): string[] {
  const root = readDocument(text, new ProblemList("", text));
  const list = root?.kind === "map" ? listOf(root) : undefined;
  return list?.kind === "list"
    ? list.items.flatMap((item) => (item.kind === "scalar" ? [item.text] : []))
    : [];
}

function listOf(root: MapNode): Node | undefined {
  return root.entries.find(({ key }) => key === "modules")?.value;
}

export interface Modules {
  readonly modules: readonly ModuleConfig[];
  readonly protocols: readonly ProtocolOptions[];
  readonly filters: readonly FilterOptions[];
  /** False: what it names besides may be right. */
  readonly areAllLoaded: boolean;
}

/** @param builtIn protocols whose names are taken. What is wrong goes to the scope's problems */
export function readModules(
  { problems }: Pick<Scope, "problems">,
  node: Node | undefined,
  outside: Outside,
  builtIn: readonly ProtocolOptions[],
): Modules {
  const loaded: OutsideModule[] = [];
  const { errorCount } = problems;
  if (node !== undefined && node.kind !== "list" && node.kind !== "empty") {
    const message = `modules: expected a list of paths such as [./deny.ts], found ${describe(node)}`;
    problems.error(node.offset, "modules", message);
  }
  const names = new Map(builtIn.map(({ name }) => [`protocol ${name}`, "is built in"]));
  for (const [index, item] of (node?.kind === "list" ? node.items : []).entries()) {
    const fail = (message: string): void =>
      problems.error(item.offset, `modules[${index}]`, `modules: ${message}`);
    if (item.kind !== "scalar") {
      fail(`expected the path of a file, found ${describe(item)}`);
      continue;
    }
    const module = outside.get(item.text) ?? "it was not loaded";
    if (typeof module === "string") {
      fail(`${item.text}: ${module}`);
      continue;
    }
    const { kind, name } = module;
    const taken = names.get(`${kind} ${name}`);
    const clash = clashOf(module);
    if (taken !== undefined) fail(`${item.text}: the ${kind} ${quote(name)} ${taken}`);
    else if (clash !== undefined) {
      fail(`${item.text}: its option ${quote(clash)} is one that every pool has`);
    } else loaded.push(module);
    names.set(`${kind} ${name}`, `is defined by ${item.text} too`);
  }
  return {
    modules: loaded.map(({ kind, name, path, code, hash }) => ({ kind, name, path, code, hash })),
    protocols: loaded.filter(isProtocol).map(protocolOf),
    filters: loaded.filter((module) => !isProtocol(module)),
    areAllLoaded: problems.errorCount === errorCount,
  };
}

/** What is about servers and their keys. */
const IGNORED: readonly string[] = [
  ...["hash", "hash_char", "hash_tag", "distribution", "timeout", "connect_timeout", "preconnect"],
  ...["server_connections", "auto_eject_hosts", "server_retry_timeout", "server_failure_limit"],
  ...["max_ejection_percent", "on_down", "spares", "health_check"],
  ...["first_byte_timeout", "queue_timeout", "server_queue"],
];

/** The protocols of modules that were loaded. */
export function protocolsOf(outside: Outside): ProtocolOptions[] {
  const loaded = [...outside.values()].filter((module) => typeof module !== "string");
  return loaded.filter(isProtocol).map(protocolOf);
}

function protocolOf(module: OutsideModule): ProtocolOptions {
  if (module.needsServers === true) return module;
  return { ...module, needsServers: false, ignores: IGNORED };
}

function isProtocol({ kind }: OutsideModule): boolean {
  return kind === "protocol";
}

/** A protocol's options stand beside those that every pool has. */
function clashOf({ kind, options }: OutsideModule): string | undefined {
  if (kind === "filter") return undefined;
  const general = new Set(optionsAt("pool").map(({ name }) => name));
  return options.find(({ name }) => general.has(name))?.name;
}

/** Where a path of the file leads. */
export function modulePath(file: string, path: string): string {
  return resolve(dirname(file), path);
}
