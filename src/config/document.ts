/**
 * YAML text → a small tree that knows where each part stands. The only file that knows the YAML library.
 *
 * Scalars stay text (the failsafe schema), as in nutcracker: what `yes`, `0512` or `1e3` means is decided by the
 * option that reads it, not by a version of YAML.
 */
import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  parseDocument,
  type Document as YamlDocument,
  type Node as YamlNode,
} from "yaml";
import { type ProblemList, quote } from "./problem.ts";

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
}

/** A map of the tree. */
export type MapNode = Extract<Node, { kind: "map" }>;

/** Characters in a file, parts in its tree (aliases count each time), and levels of nesting. */
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

function read(text: string, problems: ProblemList): Node | null {
  const document = parseDocument(text, {
    schema: "failsafe",
    prettyErrors: false,
    uniqueKeys: false,
    logLevel: "error",
  });
  for (const error of document.errors) {
    problems.error(error.pos[0], "", yamlMessage(error.code, error.message, text, error.pos[0]));
  }
  if (problems.hasErrors) return null;
  const reader = new TreeReader(document, problems);
  const root = reader.read(document.contents, 0, 0);
  return problems.hasErrors ? null : root;
}

/** The library's message, or a better one where people are known to stumble. */
function yamlMessage(code: string, message: string, text: string, offset: number): string {
  if (code === "MULTIPLE_DOCS") return "the file must hold one YAML document, not several";
  if (text[offset] === "\t" || code === "TAB_AS_INDENT") {
    return "a tab cannot indent YAML; use spaces";
  }
  const lineStart = text.lastIndexOf("\n", offset - 1) + 1;
  const begins = /^\s*(?:-\s+)?(?:[^\s:]+:\s+)?([[{*&!%@`])/.exec(
    text.substring(lineStart, lineStart + 200).split("\n")[0] ?? "",
  )?.[1];
  const hint = begins === undefined ? "" : `; a value that begins with ${begins} needs quotes`;
  return `YAML: ${message.split("\n")[0] ?? message}${hint}`;
}

class TreeReader {
  readonly #document: YamlDocument.Parsed;
  readonly #problems: ProblemList;
  #nodes = 0;

  constructor(document: YamlDocument.Parsed, problems: ProblemList) {
    this.#document = document;
    this.#problems = problems;
  }

  /** @param offset where to report a part that has no text of its own */
  read(node: unknown, offset: number, depth: number): Node {
    this.#nodes++;
    if (this.#nodes > NODES_MAX || depth > DEPTH_MAX) {
      const tooMuch =
        depth > DEPTH_MAX ? "nested too deeply" : "too large once aliases are followed";
      if (!this.#problems.hasErrors) this.#problems.error(offset, "", `the file is ${tooMuch}`);
      return { kind: "empty", offset };
    }
    const start = startOf(node, offset);
    if (isAlias(node)) {
      const target = node.resolve(this.#document);
      if (target !== undefined) return this.read(target, start, depth + 1);
      const hint = "; a value that begins with * needs quotes";
      this.#problems.error(start, "", `alias *${node.source} has no anchor before it${hint}`);
      return { kind: "empty", offset: start };
    }
    if (isScalar(node)) return scalar(node, start);
    if (isSeq(node)) {
      const items = node.items.map((item) => this.read(item, start, depth + 1));
      return { kind: "list", items, offset: start };
    }
    if (isMap(node)) {
      const entries: Entry[] = [];
      for (const pair of node.items) {
        const keyOffset = startOf(pair.key, start);
        const value = this.read(pair.value, keyOffset, depth + 1);
        if (isScalar(pair.key)) entries.push({ key: `${pair.key.value ?? ""}`, keyOffset, value });
        else this.#problems.error(keyOffset, "", "a key must be a plain word");
      }
      return { kind: "map", entries, offset: start };
    }
    return { kind: "empty", offset: start };
  }
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
