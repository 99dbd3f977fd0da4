/** What a module's file defines, and whether it is right. */
import type {
  FilterDefinition,
  OptionRow,
  OptionRows,
  ProtocolDefinition,
  ProxiedDefinition,
} from "proxy/module";
import { type Option, type OptionType, option } from "../api/option.ts";
import { INTEGER_MAX } from "../base/limits.ts";
import { didYouMean } from "../config/nearest.ts";
import { unknownKey } from "./known-keys.ts";

/** The version of the API; modules name the one that they were written for. */
export const API = 1;
export const MODULE_NAME: RegExp = /^[a-z][a-z0-9-]{0,31}$/;
const KEYS = {
  filter: ["api", "name", "options", "whenBroken", "start"],
  terminal: ["api", "name", "options", "start", "connection", "moves"],
  proxied: [
    ...["api", "name", "options", "start", "requestScanner", "replyScanner", "handshake"],
    ...["handshakeFault", "probe", "failure", "state", "key", "request", "unblocked"],
  ],
} as const;
const WHEN_BROKEN = ["pass", "refuse"];
const OPTION_NAME = /^[a-z][a-z0-9_]{0,63}$/;

/** What an option helper of the API makes. */
export interface Row extends OptionRow<unknown> {
  readonly type: OptionType;
  /** As a file would have it; null: unset. */
  readonly preset: string | null;
  readonly required: boolean;
  readonly help: string;
  readonly secret: boolean;
}

/** A protocol whose requests go on to servers, whatever it keeps of its clients. */
export type Proxied = ProxiedDefinition<OptionRows, unknown>;

export type Definition =
  | { readonly kind: "filter"; readonly definition: FilterDefinition<OptionRows> }
  | { readonly kind: "protocol"; readonly definition: ProtocolDefinition<OptionRows> | Proxied };

/** A protocol that answers its clients itself has `connection` instead. */
export function isProxied(definition: Definition["definition"]): definition is Proxied {
  return !("connection" in definition) && PROXIED_ONLY.some((name) => name in definition);
}

const PROXIED_ONLY = ["requestScanner", "replyScanner"];

/** The definition that a module exports, or what is wrong with it as a sentence. */
export function readDefinition(exported: unknown): Definition | string {
  if (typeof exported !== "object" || exported === null || !("kind" in exported)) {
    return "it has no default export made by defineFilter or defineProtocol";
  }
  const { kind, definition } = exported as Definition;
  if (kind !== "filter" && kind !== "protocol") return "it defines neither a filter nor a protocol";
  if (typeof definition !== "object" || definition === null) return "its definition is no object";
  if (definition.api !== API) {
    return `it is written for version ${String(definition.api)} of the module API; this proxy has version ${API}`;
  }
  if (typeof definition.name !== "string" || !MODULE_NAME.test(definition.name)) {
    return "its name must be small letters, digits and -, at most 32, and begin with a letter";
  }
  const shape = kind === "filter" ? kind : isProxied(definition) ? "proxied" : "terminal";
  const fault = unknownKey(definition, KEYS[shape]);
  if (fault !== null) return `its definition has an ${fault}`;
  return (
    functionFault({ ...definition }, shape) ??
    valueFault({ ...definition }) ??
    optionFault(definition.options ?? {}) ??
    (exported as Definition)
  );
}

/** Of those that each of its kind must have, and those that it may have. */
const FUNCTIONS = {
  filter: { must: ["start"], may: [] },
  terminal: { must: ["connection"], may: ["start"] },
  proxied: {
    must: ["requestScanner", "replyScanner", "failure"],
    may: ["start", "handshake", "handshakeFault", "state", "key", "request", "unblocked"],
  },
} as const;

function functionFault(
  definition: Readonly<Record<string, unknown>>,
  shape: keyof typeof FUNCTIONS,
): string | null {
  const { must, may } = FUNCTIONS[shape];
  const given = may.filter((name) => definition[name] !== undefined);
  const wrong = [...must, ...given].find((name) => typeof definition[name] !== "function");
  if (wrong !== undefined) return `"${wrong}" is not a function`;
  if (shape !== "proxied") return null;
  const { key, request, probe } = definition;
  if ((key === undefined) === (request === undefined)) {
    return 'it needs either "key" or "request", which say what server a request goes to';
  }
  const isProbe = (typeof probe === "string" && probe !== "") || probe instanceof Uint8Array;
  return isProbe ? null : '"probe" is no request: a text or a Uint8Array';
}

/** Of the keys that a definition need not have; values of the wrong type would count as the default. */
function valueFault(definition: Readonly<Record<string, unknown>>): string | null {
  const { whenBroken = "pass", moves = true } = definition;
  if (typeof whenBroken !== "string" || !WHEN_BROKEN.includes(whenBroken)) {
    const written = String(whenBroken);
    return `"whenBroken" is "${written}" instead of "pass" or "refuse"${didYouMean(written, WHEN_BROKEN)}`;
  }
  if (typeof moves !== "boolean") return '"moves" is neither true nor false';
  return null;
}

function optionFault(rows: OptionRows): string | null {
  for (const [name, row] of Object.entries(rows)) {
    if (!OPTION_NAME.test(name)) return `option "${name}": a name has small letters, digits and _`;
    if (typeof row !== "object" || row === null || !("type" in row)) {
      return `option "${name}" is not made by text, list, integer, duration, boolean or choice`;
    }
  }
  return null;
}

/** The rows as the configuration knows them. */
export function optionsOf(rows: OptionRows = {}): Option[] {
  return Object.entries(rows).map(([name, row]) => {
    const { type, preset, required, help, secret } = row as Row;
    return option({
      ...{ name, where: "pool", type, required, secret, default: preset, forms: ["native"] },
      help: help === "" ? "Of a module." : help,
    });
  });
}

interface Settings {
  readonly default?: unknown;
  readonly required?: boolean;
  readonly help?: string;
  readonly secret?: boolean;
  readonly min?: number;
  readonly max?: number;
}

const ROW_SETTINGS = ["default", "required", "help", "secret"];

/** An option as the helpers of the API make it. @throws TypeError: a setting is mistyped */
export function row(type: OptionType, settings: Settings = {}): Row {
  const known = type.kind === "integer" ? [...ROW_SETTINGS, "min", "max"] : ROW_SETTINGS;
  const fault = unknownKey(settings, known);
  if (fault !== null) throw new TypeError(`an option has an ${fault}`);
  const { required = false, help = "", secret = false } = settings;
  const preset = settings.default === undefined ? null : String(settings.default);
  return { kind: type.kind, type, preset, required, help, secret };
}

/** The option helpers of the API. */
export const OPTION_HELPERS = {
  text: (settings?: Settings): Row => row({ kind: "text" }, settings),
  list: (_of: unknown, settings?: Settings): Row => row({ kind: "texts" }, settings),
  integer: (settings: Settings = {}): Row =>
    row({ kind: "integer", min: settings.min ?? 0, max: settings.max ?? INTEGER_MAX }, settings),
  duration: (settings?: Settings): Row =>
    row(
      { kind: "duration", min: 0, max: INTEGER_MAX, none: settings?.default === undefined },
      settings,
    ),
  boolean: (settings?: Settings): Row => row({ kind: "boolean" }, { default: false, ...settings }),
  choice: (names: readonly string[], settings?: Settings): Row =>
    row({ kind: "choice", values: names }, settings),
} as const;
