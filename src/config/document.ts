/**
 * YAML text → a small tree that knows where each part stands. With document-edit.ts the only file that knows the YAML library.
 *
 * Scalars stay text (the failsafe schema), as in nutcracker: what `yes`, `0512` or `1e3` means is decided by the
 * option that reads it, not by a version of YAML.
 */
import { isAlias, isMap, isScalar, isSeq, parseDocument, type Node as YamlNode } from "yaml";
import { ProblemList, quote } from "./problem.ts";
import { yamlProblems } from "./yaml-problem.ts";

/** `offset` is where the part begins in the file's text. */
export type Node =
  | { readonly kind: "scalar"; readonly text: string; readonly offset: number }
  | { readonly kind: "map"; readonly entries: readonly Entry[]; readonly offset: number }
  | { readonly kind: "list"; readonly items: readonly Node[]; readonly offset: number }
  | { readonly kind: "empty"; readonly offset: number };

export interface Entry {
  readonly key: string;
  readonly keyOffset: number;
  readonly value: Node;
  /** Not null: the value has an anchor. */
  readonly anchor: Anchor | null;
  /** Not null: it came into its map by a merge key (`<<`), which is there. */
  readonly mergedAt: number | null;
}

/** A part that has a name (`&name`), by which later parts can stand for it (`*name`). */
export interface Anchor {
  readonly node: Node;
  /** Parts in it, itself included. */
  readonly size: number;
  /** Some part stands for it. */
  isReferred: boolean;
}

/** A map of the tree. */
export type MapNode = Extract<Node, { kind: "map" }>;

/** Characters in a file, parts in its tree (aliases and merges count each time), and levels of nesting. */
export const CONFIG_CHARACTERS_MAX: number = 4 * 1024 * 1024;
const NODES_MAX = 500_000;
const DEPTH_MAX = 8;

/** @returns null when there is no tree; what is wrong is in `problems` then. Never throws. */
export function readDocument(text: string, problems: ProblemList): Node | null {
  if (text.length > CONFIG_CHARACTERS_MAX) {
    problems.error(0, "", `the file is longer than ${CONFIG_CHARACTERS_MAX} characters`);
    return null;
  }
  try {
    return read(text, problems);
  } catch (error) {
    // The library recurses: text nested thousands of levels deep exhausts the stack.
    const reason = error instanceof Error ? error.message : String(error);
    problems.error(0, "", `not readable as YAML: ${reason}`);
    return null;
  }
}

/** A value that is written alone, as behind a key. It is text, but for a list in brackets. @param offset where it is said to stand */
export function readValue(text: string, offset: number): Node {
  if (text === "") return { kind: "empty", offset };
  if (!text.startsWith("[")) return { kind: "scalar", text, offset };
  const problems = new ProblemList("", text);
  const node = readDocument(text, problems);
  if (node?.kind !== "list") return { kind: "scalar", text, offset };
  return { ...node, items: node.items.map((item) => ({ ...item, offset })), offset };
}

function read(text: string, problems: ProblemList): Node | null {
  const document = parseDocument(text, {
    schema: "failsafe",
    prettyErrors: false,
    uniqueKeys: false,
    logLevel: "error",
  });
  const errors = document.errors.map(({ code, message, pos }) => ({
    code,
    message,
    offset: pos[0],
  }));
  for (const { offset, message } of yamlProblems(errors, text)) problems.error(offset, "", message);
  if (problems.hasErrors) return null;
  const root = new TreeReader(problems).read(document.contents, 0, 0);
  return problems.hasErrors ? null : root;
}

/** Reads in the order of the text: what has an anchor is read before what stands for it, and only once. */
class TreeReader {
  readonly #problems: ProblemList;
  readonly #anchors: Map<string, Anchor> = new Map();
  /** Names of the parts that are being read. */
  readonly #open: string[] = [];
  #nodes = 0;

  constructor(problems: ProblemList) {
    this.#problems = problems;
  }

  /** @param offset where to report a part that has no text of its own */
  read(node: unknown, offset: number, depth: number): Node {
    const start = startOf(node, offset);
    if (isAlias(node)) return this.#follow(node.source, start);
    if (!this.#count(1, start)) return { kind: "empty", offset: start };
    if (depth > DEPTH_MAX) {
      if (!this.#problems.hasErrors)
        this.#problems.error(start, "", "the file is nested too deeply");
      return { kind: "empty", offset: start };
    }
    const name = anchorOf(node);
    if (name === undefined) return this.#readOne(node, start, depth);
    const before = this.#nodes;
    this.#open.push(name);
    const read = this.#readOne(node, start, depth);
    this.#open.pop();
    const size = this.#nodes - before + 1;
    this.#anchors.set(name, { node: read, size, isReferred: false });
    return read;
  }

  #readOne(node: unknown, start: number, depth: number): Node {
    if (isScalar(node)) return scalar(node, start);
    if (isSeq(node)) {
      const items = node.items.map((item) => this.read(item, start, depth + 1));
      return { kind: "list", items, offset: start };
    }
    if (!isMap(node)) return { kind: "empty", offset: start };
    const entries: Entry[] = [];
    const merges: Merge[] = [];
    for (const pair of node.items) {
      const keyOffset = startOf(pair.key, start);
      const value = this.read(pair.value, keyOffset, depth + 1);
      if (!isScalar(pair.key)) this.#problems.error(keyOffset, "", "a key must be a plain word");
      else if (isMergeKey(pair.key)) merges.push({ value, keyOffset });
      else {
        const name = anchorOf(pair.value);
        const anchor = name === undefined ? null : (this.#anchors.get(name) ?? null);
        const key = `${pair.key.value ?? ""}`;
        entries.push({ key, keyOffset, value, anchor, mergedAt: null });
      }
    }
    if (merges.length > 0) this.#merge(entries, merges);
    return { kind: "map", entries, offset: start };
  }

  /** Adds what the merges bring to the entries that a map has of its own, which win; so does an earlier one of a list. */
  #merge(entries: Entry[], merges: readonly Merge[]): void {
    const [first, second] = merges;
    if (first !== undefined && second !== undefined) {
      const line = this.#problems.lineOf(first.keyOffset);
      const message = `"<<" is here twice; the first is in line ${line}: write <<: [*one, *other]`;
      this.#problems.error(second.keyOffset, "", message);
    }
    const known = new Set(entries.map(({ key }) => key));
    for (const { value, keyOffset } of merges) {
      for (const part of value.kind === "list" ? value.items : [value]) {
        for (const entry of this.#entriesToMerge(part, keyOffset)) {
          if (known.has(entry.key)) continue;
          known.add(entry.key);
          entries.push({ ...entry, anchor: null, mergedAt: keyOffset });
        }
      }
    }
  }

  #entriesToMerge(part: Node, keyOffset: number): readonly Entry[] {
    // What was left out stands here as empty, and is not what is wrong.
    if (this.#nodes > NODES_MAX) return [];
    if (part.kind !== "map") {
      const expected = "expected a map to merge, or a list of maps, as in <<: *defaults";
      this.#problems.error(part.offset, "", `<<: ${expected}; found ${describe(part)}`);
      return [];
    }
    return this.#count(part.entries.length, keyOffset) ? part.entries : [];
  }

  /** What an alias stands for. */
  #follow(name: string, start: number): Node {
    const anchor = this.#anchors.get(name);
    if (this.#open.includes(name)) {
      this.#problems.error(start, "", `alias *${name} is within what it stands for`);
    } else if (anchor === undefined) {
      const hint = "; a value that begins with * needs quotes";
      this.#problems.error(start, "", `alias *${name} has no anchor before it${hint}`);
    } else {
      anchor.isReferred = true;
      if (this.#count(anchor.size, start)) return anchor.node;
    }
    return { kind: "empty", offset: start };
  }

  /** False: these are too many parts, which was reported. */
  #count(parts: number, offset: number): boolean {
    this.#nodes += parts;
    if (this.#nodes <= NODES_MAX) return true;
    const message = "the file is too large once aliases and merges are followed";
    if (!this.#problems.hasErrors) this.#problems.error(offset, "", message);
    return false;
  }
}

interface Merge {
  readonly value: Node;
  readonly keyOffset: number;
}

/** As in YAML 1.1: a word without quotes. */
function isMergeKey(key: { value: unknown; type?: unknown }): boolean {
  return key.value === "<<" && key.type === "PLAIN";
}

function anchorOf(node: unknown): string | undefined {
  return isScalar(node) || isMap(node) || isSeq(node) ? node.anchor : undefined;
}

function scalar(node: { value: unknown; type?: unknown }, offset: number): Node {
  const text = `${node.value ?? ""}`;
  // `key:` and `key: ""` both leave the option without a value.
  return text === "" ? { kind: "empty", offset } : { kind: "scalar", text, offset };
}

function startOf(node: unknown, otherwise: number): number {
  const range = (node as YamlNode | null | undefined)?.range;
  return range?.[0] ?? otherwise;
}

/** What a message says was found: `"abc"`, `a list`, `nothing`. */
export function describe(node: Node): string {
  if (node.kind === "scalar") return quote(node.text);
  return node.kind === "empty" ? "nothing" : `a ${node.kind}`;
}
