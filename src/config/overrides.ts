/** Values that are put over those of a file before it is read: what is set in a running proxy is checked as the file itself is. */
import { type Entry, type MapNode, type Node, readValue } from "./document.ts";
import { NOT_IN_FILE } from "./problem.ts";

export interface Override {
  /** `["pools", "main", "timeout"]` */
  readonly keys: readonly string[];
  /** As written in a file. */
  readonly text: string;
}

/** The tree of the file with the values in it. What is wrong with them has no place in the file. */
export function withOverrides(root: MapNode, overrides: readonly Override[]): MapNode {
  return overrides.reduce((map, { keys, text }) => withValue(map, keys, text), root);
}

function withValue(map: MapNode, keys: readonly string[], text: string): MapNode {
  const [key, ...rest] = keys;
  if (key === undefined) return map;
  const at = map.entries.findIndex((entry) => entry.key === key);
  const old = map.entries[at];
  const value: Node =
    rest.length === 0
      ? readValue(text, NOT_IN_FILE)
      : withValue(
          old?.value.kind === "map" ? old.value : emptyMap(old?.value.offset ?? NOT_IN_FILE),
          rest,
          text,
        );
  const entry: Entry = {
    ...{ key, keyOffset: old?.keyOffset ?? NOT_IN_FILE, value },
    ...{ anchor: old?.anchor ?? null, mergedAt: null },
  };
  const entries = old === undefined ? [...map.entries, entry] : map.entries.with(at, entry);
  return { ...map, entries };
}

function emptyMap(offset: number): MapNode {
  return { kind: "map", entries: [], offset };
}
