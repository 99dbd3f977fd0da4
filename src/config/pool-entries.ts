/** Which entries of a map are pools, and which only hold what pools share, or are options in the wrong place. */
import type { Entry, MapNode, Node } from "./document.ts";
import { optionsAt, poolOptions } from "./options.ts";
import { quote } from "./problem.ts";
import type { Scope } from "./scope.ts";

/**
 * Whether an entry beside pools only holds what others refer to: it has no `listen`, and either an anchor that some
 * alias stands for, or a name that begins with `x-`.
 */
function isShared({ key, value, anchor }: Entry): boolean {
  if (value.kind === "map" && value.entries.some((inner) => inner.key === "listen")) return false;
  return key.startsWith("x-") || anchor?.isReferred === true;
}

/**
 * The map without entries that only hold what others refer to.
 * @param names of entries that stay whatever they hold
 */
export function withoutShared(map: MapNode, names: ReadonlySet<string> = NO_NAMES): MapNode {
  const entries = map.entries.filter((entry) => names.has(entry.key) || !isShared(entry));
  return entries.length === map.entries.length ? map : { ...map, entries };
}

const NO_NAMES: ReadonlySet<string> = new Set();

export interface Indented {
  readonly map: MapNode;
  /** There were options of pools beside the pools. */
  readonly hadStrays: boolean;
}

/**
 * Options of pools that stand beside the pools: one error for all of them. To find what else is wrong they are then taken
 * for those of the pool before them, and left out where there is none.
 */
export function indentStrays(
  { problems, protocols }: Pick<Scope, "problems" | "protocols">,
  map: MapNode,
  hasNames: boolean,
): Indented {
  const names = new Set(optionNames(protocols));
  // At the top of a native file these are no options of pools.
  if (!hasNames) for (const { name } of optionsAt("top")) names.delete(name);
  const isStray = ({ key, value }: Entry): boolean => value.kind !== "map" && names.has(key);
  const strays = map.entries.filter(isStray);
  const [first] = strays;
  if (first === undefined) return { map, hadStrays: false };
  const entries: Entry[] = [];
  for (const entry of map.entries) {
    const pool = entries.at(-1);
    if (!isStray(entry)) entries.push(entry);
    else if (hasNames && pool !== undefined) entries[entries.length - 1] = withOption(pool, entry);
  }
  const pool = map.entries[map.entries.indexOf(first) - 1];
  const found = [...new Set(strays.map(({ key }) => quote(key)))].join(", ");
  const where =
    hasNames && pool !== undefined
      ? `under ${quote(pool.key)} in line ${problems.lineOf(pool.keyOffset)}`
      : "under a line with its name";
  const message = `options of a pool must be indented ${where}: ${found}`;
  problems.error(first.keyOffset, first.key, message);
  return { map: { ...map, entries }, hadStrays: true };
}

/** Whether a map with options of a pool also has names of pools: then the options are in the wrong place. */
export function holdsNames(node: Node, protocols: Scope["protocols"]): boolean {
  if (node.kind !== "map") return false;
  const names = optionNames(protocols);
  return node.entries.some(
    ({ key, value }) => (value.kind === "map" || value.kind === "empty") && !names.has(key),
  );
}

function optionNames(protocols: Scope["protocols"]): ReadonlySet<string> {
  return new Set(poolOptions(protocols).map(({ name }) => name));
}

function withOption(pool: Entry, option: Entry): Entry {
  const { value } = pool;
  if (value.kind === "map") {
    return { ...pool, value: { ...value, entries: [...value.entries, option] } };
  }
  // `alpha:` without a value; any other is an error of its own.
  if (value.kind !== "empty") return pool;
  return { ...pool, value: { kind: "map", entries: [option], offset: value.offset } };
}
