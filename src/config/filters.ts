/** A pool's `filters`. */
import type { PoolConfig } from "../api/config.ts";
import { describe, type Entry, type Node } from "./document.ts";
import { didYouMean } from "./nearest.ts";
import type { ProtocolOptions } from "./options.ts";
import { quote } from "./problem.ts";
import { readMap, type Scope } from "./scope.ts";
import { settingsOf } from "./settings.ts";

/** @param protocol of the pool; null: it is in error */
export function readFilters(
  scope: Scope,
  node: Node | undefined,
  protocol: ProtocolOptions | null,
): PoolConfig["filters"] {
  const { problems, label } = scope;
  const path = `${scope.path}filters`;
  if (node === undefined || node.kind === "empty") return [];
  if (node.kind !== "list") {
    const message = `${label}filters: expected a list of filters, found ${describe(node)}`;
    problems.error(node.offset, path, message);
    return [];
  }
  if (protocol !== null && protocol.isFilterable !== true && node.items.length > 0) {
    const message = `${label}filters: requests of the protocol ${protocol.name} cannot be filtered`;
    problems.error(node.offset, path, message);
    return [];
  }
  return node.items.flatMap((item, index) => {
    const filter = readFilter(scope, item, `${path}[${index}]`);
    return filter === null ? [] : [filter];
  });
}

function readFilter(scope: Scope, item: Node, path: string): PoolConfig["filters"][number] | null {
  const { problems, label, filters } = scope;
  const entry = entryOf(item);
  if (entry === null) {
    const message = `${label}filters: expected a filter's name, or a name and under it its options, found ${describe(item)}`;
    problems.error(item.offset, path, message);
    return null;
  }
  const filter = filters.find(({ name }) => name === entry.key);
  if (filter === undefined) {
    const names = filters.map(({ name }) => name);
    if (!scope.areModulesLoaded && didYouMean(entry.key, names) === "") return null;
    const hint =
      names.length === 0
        ? "; no file of `modules` defines a filter"
        : didYouMean(entry.key, names) || ` (known: ${names.join(", ")})`;
    const message = `${label}filters: unknown filter ${quote(entry.key)}${hint}`;
    problems.error(entry.keyOffset, path, message);
    return null;
  }
  const { value } = entry;
  if (value.kind !== "map" && value.kind !== "empty") {
    const message = `${label}filter ${filter.name}: expected a map of its options, found ${describe(value)}`;
    problems.error(value.offset, path, message);
    return null;
  }
  const map =
    value.kind === "map" ? value : { kind: "map" as const, entries: [], offset: value.offset };
  const errorsBefore = problems.errorCount;
  const values = readMap(
    {
      ...{ ...scope, options: filter.options, where: "filter" },
      ...{ label: `${label}filter ${filter.name}: `, path: `${path}.` },
    },
    map,
  );
  if (problems.errorCount > errorsBefore) return null;
  return { name: filter.name, options: settingsOf(filter.options, values) };
}

/** `name`, or `name: { … }`. */
function entryOf(item: Node): Pick<Entry, "key" | "keyOffset" | "value"> | null {
  if (item.kind === "map") return item.entries.length === 1 ? item.entries[0]! : null;
  if (item.kind !== "scalar") return null;
  const value: Node = { kind: "empty", offset: item.offset };
  return { key: item.text, keyOffset: item.offset, value };
}
