/**
 * A pool's `route`: the tree of the file to what `RouteNode` says. A node is the name of a pool, or a map; which node a map is, says the one key
 * of it that only that kind of node has.
 */
import type { RouteNode } from "../api/route-node.ts";
import { describe, type Entry, type MapNode, type Node } from "./document.ts";
import { parseDuration } from "./duration.ts";
import { didYouMean } from "./nearest.ts";
import { quote } from "./problem.ts";
import { entriesOnce, type Scope } from "./scope.ts";

/** A pool that the tree names, and where. */
export interface NamedPool {
  readonly pool: string;
  readonly offset: number;
  readonly path: string;
}

export interface ReadRoute {
  /** Null: something in it is in error, and was reported. */
  readonly node: RouteNode | null;
  readonly pools: readonly NamedPool[];
  /** Where prefixes are cut. */
  readonly cuts: readonly Omit<NamedPool, "pool">[];
}

/** By the key that tells it from other nodes: all keys of a node; those without "?" must be there. */
const KINDS: Readonly<Record<string, readonly string[]>> = {
  prefixes: ["prefixes", "default"],
  read: ["read", "write"],
  write: ["read", "write"],
  commands: ["commands", "default"],
  failover: ["main", "failover", "on?"],
  gutter: ["main", "gutter", "ttl"],
  mirror: ["main", "mirror", "share?", "compare?"],
  hedge: ["main", "hedge", "after", "budget?"],
  all: ["all", "reply?"],
  cut: ["cut"],
};
const KEYS: readonly string[] = [...new Set(Object.values(KINDS).flat())].map(bare);

/** Longer ones are no gutter, and to Memcached a date. */
const TTL_MS_MAX = 30 * 24 * 60 * 60 * 1000;

/** What is later than this is no hedge. */
const HEDGE_MS_MAX = 60_000;

/** Of all prefixes of one node together: how a tree of them is searched bounds it. */
export const PREFIX_BYTES_MAX = 65_536;

/** @param scope of the pool */
export function readRoute(scope: Scope, node: Node): ReadRoute {
  const reader = new RouteReader(scope);
  const read = reader.read(node, `${scope.path}route`);
  return { node: read, pools: reader.pools, cuts: reader.cuts };
}

class RouteReader {
  readonly pools: NamedPool[] = [];
  readonly cuts: Omit<NamedPool, "pool">[] = [];
  readonly #scope: Scope;

  constructor(scope: Scope) {
    this.#scope = scope;
  }

  /** @param prefix by which requests come to the node; null: by something else */
  read(node: Node, path: string, prefix: string | null = null): RouteNode | null {
    if (node.kind === "scalar") {
      this.pools.push({ pool: node.text, offset: node.offset, path });
      return { kind: "pool", pool: node.text };
    }
    if (node.kind === "map") return this.#readMap(node, path, prefix);
    const expected = `the name of a pool, or a map with one of ${Object.keys(KINDS).join(", ")}`;
    return this.#error(node.offset, path, `expected ${expected}, found ${describe(node)}`);
  }

  #readMap(map: MapNode, path: string, prefix: string | null): RouteNode | null {
    const entries = entriesOnce(this.#scopeAt(path), map);
    const kinds = Object.keys(KINDS).filter((key) => entries.has(key));
    const [first] = kinds;
    this.#reportUnknown(entries, path, first === undefined ? KEYS : KINDS[first]!.map(bare));
    if (first === undefined) {
      const expected = `one of ${Object.keys(KINDS).join(", ")}`;
      return this.#error(
        map.offset,
        path,
        `says nothing of where requests go: expected ${expected}`,
      );
    }
    const missing = KINDS[first]!.filter((key) => !key.endsWith("?") && !entries.has(key));
    for (const key of missing)
      this.#error(map.offset, `${path}.${key}`, `"${key}" is missing beside "${first}"`);
    switch (first) {
      case "prefixes":
        return this.#prefix(entries, path);
      case "commands":
        return this.#command(entries, path);
      case "failover":
        return this.#failover(entries, path);
      case "gutter":
        return this.#gutter(entries, path);
      case "mirror":
        return this.#mirror(entries, path);
      case "hedge":
        return this.#hedge(entries, path);
      case "all":
        return this.#all(entries, path);
      case "cut":
        return this.#cut(entries, path, prefix);
      default:
        return this.#access(entries, path);
    }
  }

  #prefix(entries: Entries, path: string): RouteNode | null {
    const prefixes = this.#branches(entries, "prefixes", path, "prefixes of keys");
    const rest = this.#child(entries, "default", path);
    const bytes = prefixes?.reduce((sum, { key }) => sum + Buffer.byteLength(key), 0) ?? 0;
    if (bytes > PREFIX_BYTES_MAX) {
      const offset = entries.get("prefixes")!.keyOffset;
      return this.#error(
        offset,
        `${path}.prefixes`,
        `the prefixes have ${bytes} bytes, at most ${PREFIX_BYTES_MAX}`,
      );
    }
    if (prefixes === null || rest === null) return null;
    return { kind: "prefix", prefixes: prefixes.map(({ key, to }) => ({ prefix: key, to })), rest };
  }

  #cut(entries: Entries, path: string, prefix: string | null): RouteNode | null {
    const { keyOffset: offset } = entries.get("cut")!;
    this.cuts.push({ offset, path: `${path}.cut` });
    const to = this.#child(entries, "cut", path);
    if (prefix === null) {
      const message = `cut: a prefix is cut right where it decides: write { prefixes: { "a:": { cut: … } } }`;
      return this.#error(offset, `${path}.cut`, message);
    }
    return to === null ? null : { kind: "cut", prefix, to };
  }

  #command(entries: Entries, path: string): RouteNode | null {
    const commands = this.#branches(entries, "commands", path, "names of commands");
    const rest = this.#child(entries, "default", path);
    const seen = new Set<string>();
    const read: { names: string[]; to: RouteNode }[] = [];
    for (const { key, keyOffset, to } of commands ?? []) {
      const names = key.split(",").map((name) => name.trim().toUpperCase().replace(/ +/, "|"));
      for (const name of names) {
        const at = `${path}.commands.${key}`;
        if (!/^[\w.-]+(\|[\w.-]+)?$/.test(name)) {
          this.#error(
            keyOffset,
            at,
            `expected names of commands such as "GET, MGET", found ${quote(key)}`,
          );
        } else if (seen.has(name)) this.#error(keyOffset, at, `the command ${name} is here twice`);
        seen.add(name);
      }
      read.push({ names, to });
    }
    if (commands === null || rest === null) return null;
    return { kind: "command", commands: read, rest };
  }

  #access(entries: Entries, path: string): RouteNode | null {
    const read = this.#child(entries, "read", path);
    const write = this.#child(entries, "write", path);
    return read === null || write === null ? null : { kind: "access", read, write };
  }

  #failover(entries: Entries, path: string): RouteNode | null {
    const main = this.#child(entries, "main", path);
    const other = this.#child(entries, "failover", path);
    const on = this.#text(entries, "on", path) ?? "errors";
    if (on !== "errors" && on !== "misses") {
      const { offset } = entries.get("on")!.value;
      return this.#error(offset, `${path}.on`, `on: expected errors or misses, found ${quote(on)}`);
    }
    if (main === null || other === null) return null;
    return { kind: "failover", main, other, onMisses: on === "misses", ttlMs: null };
  }

  #gutter(entries: Entries, path: string): RouteNode | null {
    const main = this.#child(entries, "main", path);
    const other = this.#child(entries, "gutter", path);
    const text = this.#text(entries, "ttl", path);
    const ttlMs = text === undefined ? null : parseDuration(text);
    const isRight = ttlMs !== null && ttlMs >= 1000 && ttlMs <= TTL_MS_MAX && ttlMs % 1000 === 0;
    if (text !== undefined && !isRight) {
      const { offset } = entries.get("ttl")!.value;
      const message = `ttl: expected whole seconds from 1s to 30 days, such as 10s, found ${quote(text)}`;
      return this.#error(offset, `${path}.ttl`, message);
    }
    if (main === null || other === null || ttlMs === null) return null;
    return { kind: "failover", main, other, onMisses: false, ttlMs };
  }

  #mirror(entries: Entries, path: string): RouteNode | null {
    const main = this.#child(entries, "main", path);
    const other = this.#child(entries, "mirror", path);
    const share = this.#percent(entries, "share", path, "100%", "a share of keys such as 10%");
    const compare = this.#text(entries, "compare", path) ?? "false";
    if (compare !== "true" && compare !== "false") {
      const { offset } = entries.get("compare")!.value;
      const found = `found ${quote(compare)}`;
      this.#error(offset, `${path}.compare`, `compare: expected true or false, ${found}`);
    }
    if (main === null || other === null || share === null) return null;
    return { kind: "mirror", main, other, share, compares: compare === "true" };
  }

  #hedge(entries: Entries, path: string): RouteNode | null {
    const main = this.#child(entries, "main", path);
    const other = this.#child(entries, "hedge", path);
    const after = this.#text(entries, "after", path);
    const afterMs = after === undefined ? null : parseDuration(after);
    if (after !== undefined && (afterMs === null || afterMs < 1 || afterMs > HEDGE_MS_MAX)) {
      const { offset } = entries.get("after")!.value;
      const message = `after: expected a time from 1ms to 60s, such as 20ms, found ${quote(after)}`;
      this.#error(offset, `${path}.after`, message);
    }
    const budget = this.#percent(entries, "budget", path, "5%", "a share of reads such as 5%");
    if (main === null || other === null || afterMs === null || budget === null) return null;
    return { kind: "hedge", main, other, afterMs, budget };
  }

  /** Of several, each is written to besides those before it. */
  #all(entries: Entries, path: string): RouteNode | null {
    const { value, keyOffset } = entries.get("all")!;
    const reply = this.#text(entries, "reply", path) ?? "worst";
    if (reply !== "worst" && reply !== "first") {
      const { offset } = entries.get("reply")!.value;
      const message = `reply: expected worst or first, found ${quote(reply)}`;
      this.#error(offset, `${path}.reply`, message);
    }
    if (value.kind !== "list" || value.items.length < 2) {
      const found = value.kind === "list" ? `${value.items.length}` : describe(value);
      const message = `all: expected a list of two nodes or more, found ${found}`;
      return this.#error(keyOffset, `${path}.all`, message);
    }
    const nodes = value.items.map((item, i) => this.read(item, `${path}.all[${i}]`));
    return nodes.reduce((main, other) => {
      if (main === null || other === null) return null;
      return { kind: "all", main, other, waits: reply === "worst" };
    });
  }

  #percent(
    entries: Entries,
    key: string,
    path: string,
    preset: string,
    expected: string,
  ): number | null {
    const text = this.#text(entries, key, path) ?? preset;
    const percent = /^\d{1,3}(\.\d{1,4})?%$/.test(text) ? Number.parseFloat(text) : Number.NaN;
    if (percent > 0 && percent <= 100) return percent / 100;
    const { offset } = entries.get(key)!.value;
    return this.#error(
      offset,
      `${path}.${key}`,
      `${key}: expected ${expected}, found ${quote(text)}`,
    );
  }

  /** The value of an option of a node; undefined: it has none. What is no text is reported as such. */
  #text(entries: Entries, key: string, path: string): string | undefined {
    const value = entries.get(key)?.value;
    if (value === undefined) return undefined;
    if (value.kind === "scalar") return value.text;
    const message = `${key}: expected a text, found ${describe(value)}`;
    this.#error(value.offset, `${path}.${key}`, message);
    return undefined;
  }

  /** The node under `key`. Null: it is in error, or missing, which was reported. */
  #child(entries: Entries, key: string, path: string): RouteNode | null {
    const entry = entries.get(key);
    return entry === undefined ? null : this.read(entry.value, `${path}.${key}`);
  }

  /** The nodes of the map under `key`, by their keys. */
  #branches(entries: Entries, key: string, path: string, words: string): Branch[] | null {
    const { keyOffset, value } = entries.get(key)!;
    const at = `${path}.${key}`;
    if (value.kind !== "map" || value.entries.length === 0) {
      const found = value.kind === "map" ? "an empty map" : describe(value);
      return this.#error(
        keyOffset,
        at,
        `${key}: expected a map from ${words} to nodes, found ${found}`,
      );
    }
    const branches = [...entriesOnce(this.#scopeAt(at), value).values()].map((entry) => {
      if (entry.key === "")
        this.#error(entry.keyOffset, at, `${key}: an empty one stands for all: write "default"`);
      const prefix = key === "prefixes" ? entry.key : null;
      const to = this.read(entry.value, `${at}.${entry.key}`, prefix);
      return { key: entry.key, keyOffset: entry.keyOffset, to };
    });
    return branches.every((branch): branch is Branch => branch.to !== null) ? branches : null;
  }

  #reportUnknown(entries: Entries, path: string, known: readonly string[]): void {
    for (const { key, keyOffset } of entries.values()) {
      if (known.includes(key)) continue;
      const hint = KEYS.includes(key)
        ? ` has no place beside ${known
            .filter((name) => entries.has(name))
            .map(quote)
            .join(", ")}`
        : didYouMean(key, known) || ` (known: ${known.join(", ")})`;
      const what = KEYS.includes(key) ? quote(key) : `unknown key ${quote(key)}`;
      this.#error(keyOffset, `${path}.${key}`, `${what}${hint}`);
    }
  }

  #scopeAt(path: string): Scope {
    return { ...this.#scope, label: `${this.#scope.label}route: `, path: `${path}.` };
  }

  #error(offset: number, path: string, message: string): null {
    this.#scope.problems.error(offset, path, `${this.#scope.label}route: ${message}`);
    return null;
  }
}

type Entries = ReadonlyMap<string, Entry>;

interface Branch {
  readonly key: string;
  readonly keyOffset: number;
  readonly to: RouteNode;
}

function bare(key: string): string {
  return key.replace("?", "");
}
