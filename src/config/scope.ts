/** Reads one map of a file against the table of options. */
import type { Address } from "../api/config.ts";
import type { Form, Option, OptionType, OptionValue, Where } from "../api/option.ts";
import { assert } from "../base/assert.ts";
import { describe, type Entry, type MapNode, type Node } from "./document.ts";
import { didYouMean } from "./nearest.ts";
import { type FilterOptions, optionsAt, type ProtocolOptions } from "./options.ts";
import { type ProblemList, quote } from "./problem.ts";
import { defaultValue, expectation, parseValue } from "./values.ts";

/** Which map is read: for messages, and to know its options. */
export interface Scope {
  readonly form: Form;
  readonly where: Where;
  /** Those of the map, of whatever form. */
  readonly options: readonly Option[];
  /** Those that pools may have. */
  readonly protocols: readonly ProtocolOptions[];
  readonly filters: readonly FilterOptions[];
  /** False: a module that is in error may define the protocols and filters that are missing. */
  readonly areModulesLoaded: boolean;
  /** Begins every message: `pool "alpha": `, or "". */
  readonly label: string;
  /** Begins every path: `pools.alpha.`, or "". */
  readonly path: string;
  readonly problems: ProblemList;
}

/**
 * The values of one map: those of the file, and defaults for the rest.
 *
 * A required option that is missing, and one whose value is wrong, has no value: code that builds something from
 * the values first asks whether there were errors.
 */
export class Values {
  readonly #values: ReadonlyMap<string, OptionValue>;
  /** Parts that are read by their own code, and where every key that the file has stands. */
  readonly #nodes: ReadonlyMap<string, Node>;
  readonly #offset: number;

  constructor(
    values: ReadonlyMap<string, OptionValue>,
    nodes: ReadonlyMap<string, Node>,
    offset: number,
  ) {
    this.#values = values;
    this.#nodes = nodes;
    this.#offset = offset;
  }

  /** The part of the file under this key, if it has the key. */
  node(name: string): Node | undefined {
    return this.#nodes.get(name);
  }

  /** Where to report something about this option: its value, or the map that lacks it. */
  offsetOf(name: string): number {
    return this.#nodes.get(name)?.offset ?? this.#offset;
  }

  /** The value, unset as null, or undefined when it was in error. */
  peek(name: string): OptionValue | undefined {
    return this.#values.get(name);
  }

  /** The address, or null: unset, or in error. */
  peekAddress(name: string): Address | null {
    const value = this.peek(name);
    return isAddress(value) ? value : null;
  }

  number(name: string): number {
    const value = this.peek(name);
    assert(typeof value === "number", `${name} is a number`);
    return value;
  }

  numberOrNull(name: string): number | null {
    return this.peek(name) === null ? null : this.number(name);
  }

  boolean(name: string): boolean {
    const value = this.peek(name);
    assert(typeof value === "boolean", `${name} is a boolean`);
    return value;
  }

  textOrNull(name: string): string | null {
    const value = this.peek(name);
    assert(value === null || typeof value === "string", `${name} is a text`);
    return value;
  }

  textsOrNull(name: string): readonly string[] | null {
    const value = this.peek(name);
    return Array.isArray(value) ? (value as readonly string[]) : null;
  }

  choice<Name extends string>(name: string, names: readonly Name[]): Name {
    const value = this.peek(name);
    const found = names.find((candidate) => candidate === value);
    assert(found !== undefined, `${name} is one of its choices`);
    return found;
  }

  address(name: string): Address {
    const value = this.addressOrNull(name);
    assert(value !== null, `${name} is set`);
    return value;
  }

  addressOrNull(name: string): Address | null {
    const value = this.peek(name);
    assert(isAddress(value) || value === null, `${name} is an address`);
    return value;
  }
}

function isAddress(value: OptionValue | undefined): value is Address {
  return typeof value === "object" && value !== null && "kind" in value;
}

/** Reads a map's entries; everything wrong with them goes to the scope's problems. */
export function readMap(scope: Scope, map: MapNode): Values {
  const known = new Map(
    scope.options
      .filter((option) => option.forms.includes(scope.form))
      .map((option) => [option.name, option]),
  );
  const entries = entriesOnce(scope, map);
  const values = new Map<string, OptionValue>();
  const nodes = new Map<string, Node>();
  for (const entry of entries.values()) {
    const option = known.get(entry.key);
    if (option === undefined) {
      reportUnknown(scope, entry, [...known.keys()]);
      continue;
    }
    nodes.set(option.name, entry.value);
    if (isSingleValue(option)) readEntry(scope, option, entry, values);
  }
  for (const option of scope.options) {
    if (entries.has(option.name) && known.has(option.name)) continue;
    if (option.required && known.has(option.name)) {
      const message = `${scope.label}"${option.name}" is missing; expected ${expectation(option.type)}`;
      scope.problems.error(map.offset, scope.path + option.name, message);
    } else if (isSingleValue(option)) values.set(option.name, defaultValue(option, scope.form));
  }
  return new Values(values, nodes, map.offset);
}

/** The values of a map that the file does not have. */
export function absentMap(where: Where, form: Form, offset: number): Values {
  const options = optionsAt(where).filter(isSingleValue);
  return new Values(
    new Map(options.map((option) => [option.name, defaultValue(option, form)])),
    new Map(),
    offset,
  );
}

/** The entries by key; a key's second appearance is an error. */
export function entriesOnce(scope: Scope, map: MapNode): ReadonlyMap<string, Entry> {
  const entries = new Map<string, Entry>();
  for (const entry of map.entries) {
    const first = entries.get(entry.key);
    if (first === undefined) entries.set(entry.key, entry);
    else {
      const line = scope.problems.lineOf(first.keyOffset);
      const message = `${scope.label}${quote(entry.key)} is here twice; the first is in line ${line}`;
      scope.problems.error(entry.keyOffset, scope.path + entry.key, message);
    }
  }
  return entries;
}

function readEntry(
  scope: Scope,
  option: Option,
  entry: Entry,
  values: Map<string, OptionValue>,
): void {
  const parsed = parseValue(option, entry.value);
  if (parsed.ok) values.set(option.name, parsed.value);
  else {
    const merged =
      entry.mergedAt === null ? "" : ` (merged in line ${scope.problems.lineOf(entry.mergedAt)})`;
    const message = `${scope.label}${option.name}: ${parsed.message}${merged}`;
    scope.problems.error(entry.value.offset, scope.path + option.name, message);
  }
}

function reportUnknown(scope: Scope, entry: Entry, names: readonly string[]): void {
  const other = scope.options.find((option) => option.name === entry.key);
  let message = `unknown key ${quote(entry.key)}`;
  if (other?.instead != null) {
    const form = scope.form === "native" ? "a native" : "a twemproxy";
    message = `"${entry.key}" has no place in ${form} file; write ${other.instead}`;
  } else if (scope.where === "top" && isPoolLike(entry.value)) {
    message = `pool ${quote(entry.key)} must stand under "pools:"`;
  } else message += didYouMean(entry.key, names) || ` (known: ${names.join(", ")})`;
  scope.problems.error(entry.keyOffset, scope.path + entry.key, scope.label + message);
}

/** A map with servers, whatever else is in it. */
export function isPoolLike(node: Node): boolean {
  return (
    node.kind === "map" &&
    node.entries.some((entry) => entry.key === "servers" && entry.value.kind !== "map")
  );
}

/** Kinds of options that are read by their own code. */
const OWN_CODE: ReadonlySet<OptionType["kind"]> = new Set([
  ...(["group", "zones", "pools", "servers", "route", "modules", "filters"] as const),
]);

function isSingleValue(option: Option): boolean {
  const kind = option.type.kind;
  return !OWN_CODE.has(kind);
}

/** What to add where a map was expected, and is text because a blank is missing; or "". */
function blankMissing(node: Node): string {
  if (node.kind !== "scalar") return "";
  const name = /^([A-Za-z_][\w-]*):\S/.exec(node.text)?.[1];
  return name === undefined ? "" : `; a blank is missing behind "${name}:"`;
}

/** The node as a map, or an error that says what was expected. */
export function expectMap(
  scope: Scope,
  name: string,
  node: Node,
  expected: string,
): MapNode | null {
  if (node.kind === "map") return node;
  const message = `${scope.label}${name}: expected ${expected}, found ${describe(node)}${blankMissing(node)}`;
  scope.problems.error(node.offset, scope.path + name, message);
  return null;
}
