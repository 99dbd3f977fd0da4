/**
 * What one row of a table of options says. Parser, errors, the reference page and the tests read these rows; no option is known
 * anywhere else. The options of a pool that depend on its protocol are rows of that protocol's module.
 */
import type { Address } from "./config.ts";

/** How the file is laid out: ours (`pools:`), or twemproxy's (every top-level key is a pool). */
export type Form = "native" | "twemproxy";

/** The map that a key may stand in. */
export type Where = "top" | "log" | "stats" | "admin" | "pool" | "workers" | "server" | "filter";

/**
 * How a value is written, and within which bounds (inclusive).
 * - `duration`: milliseconds; `none: true` lets `none` (and 0) mean "no limit".
 * - `count`: an integer, or `auto`.
 * - `size`: bytes of memory, written with a unit, at least `min` of them; or `none`, for no limit; `auto: true` lets `auto` be one.
 * - `pair`: exactly two ASCII characters.
 * - `listen`: `host:port`, or `/path` with an octal mode; `none: true` lets `none` mean "off".
 * - `cores`: `auto`, `off`, or numbers of CPU cores: `[0, 2]`, `0-3,8`.
 * - `commands`: names of commands: `[CONFIG SET, DEBUG]`, or the same as text with commas.
 * - `texts`: a list of texts: `[a, b]`.
 * - `nodes`: a list of addresses: `["10.0.0.1:7000"]`; see ServerSource.
 * - `networks`: a list of IP addresses and networks: `[10.0.0.0/8]`.
 * - `urls`: a list of addresses of HTTP servers: `["http://10.0.0.1:2379"]`.
 * - `discovery`: how servers are found, see DiscoverySource.
 * - `names`: a list of names: `[a, b]`; see ServerSource.
 * - `server_address`: `host:port` or `/path`.
 * - `zones`: names, and the addresses of each.
 * - `group`, `pools`, `servers`, `route`, `modules`, `filters`: not a single value; read by their own code.
 */
export type OptionType =
  | { readonly kind: "integer"; readonly min: number; readonly max: number }
  | {
      readonly kind: "duration";
      readonly min: number;
      readonly max: number;
      readonly none: boolean;
    }
  | { readonly kind: "count"; readonly min: number; readonly max: number }
  | { readonly kind: "size"; readonly min: number; readonly auto: boolean }
  | { readonly kind: "boolean" }
  | { readonly kind: "choice"; readonly values: readonly string[] }
  | { readonly kind: "text" }
  | { readonly kind: "pair" }
  | { readonly kind: "listen"; readonly none: boolean }
  | { readonly kind: "server_address" }
  | { readonly kind: "cores" }
  | { readonly kind: "commands" }
  | { readonly kind: "texts" }
  | { readonly kind: "nodes" }
  | { readonly kind: "discovery" }
  | { readonly kind: "networks" }
  | { readonly kind: "urls" }
  | { readonly kind: "names" }
  | { readonly kind: "zones" }
  | { readonly kind: "group" }
  /** Paths of modules. */
  | { readonly kind: "modules" }
  /** Filters of a pool, by name, with their options. */
  | { readonly kind: "filters" }
  | { readonly kind: "pools" }
  | { readonly kind: "servers" }
  /** A tree of a pool, see RouteNode. */
  | { readonly kind: "route" };

/** An option's value as the resolved configuration holds it, plain JSON data. Durations in milliseconds, sizes in bytes; null: none, off, unset. */
export type OptionValue = string | number | boolean | Address | readonly string[] | null;

/** The value of one of a module's options in a resolved configuration. */
export interface OptionSetting {
  readonly value: OptionValue;
  /** The value as a file would have it, for humans; null: it is secret. */
  readonly text: string | null;
  /** The file says it; false: it is the default. */
  readonly isSet: boolean;
}

/** A module's options by name, as its rows have them; only the module knows their types. */
export type OptionSettings = Readonly<Record<string, OptionSetting>>;

export interface Option {
  readonly name: string;
  readonly where: Where;
  readonly type: OptionType;
  /** The forms that know the key. */
  readonly forms: readonly Form[];
  /** A file without this key (or one that leaves it empty) is in error. */
  readonly required: boolean;
  /** The value that stands when the key is absent, written as in a file; null: none, nothing is set. */
  readonly default: Readonly<Record<Form, string | null>>;
  /** One line. */
  readonly help: string;
  /** What to write instead in the form that does not know the key, or null. */
  readonly instead: string | null;
  /** Its value is never shown. */
  readonly secret: boolean;
  /**
   * Where its value stands in what was resolved, PoolConfig for an option of pools and Config for others: "log.level". Null: it is no
   * single field, or it is a protocol's, whose options stand in `PoolConfig.options` by name.
   */
  readonly field: string | null;
  /** It takes effect while workers run, see config/live.ts. False: with new workers, which a reload starts. */
  readonly isLive: boolean;
}

const BOTH: readonly Form[] = ["native", "twemproxy"];

type Required = Pick<Option, "name" | "where" | "type" | "help">;
type Optional = Partial<Omit<Option, keyof Required | "default">> & {
  readonly default?: string | null | Option["default"];
};

/** Completes a row: by default both forms know the option, it is not required, and it is unset when absent. */
export function option(row: Required & Optional): Option {
  const preset = row.default ?? null;
  return {
    forms: BOTH,
    required: false,
    instead: null,
    secret: false,
    field: null,
    isLive: false,
    ...row,
    default:
      preset === null || typeof preset === "string"
        ? { native: preset, twemproxy: preset }
        : preset,
  };
}
