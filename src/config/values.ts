/** One option's value: from the file's tree, or from its default, to what the resolved configuration holds. */
import type { Address } from "../api/config.ts";
import type { Form, Option, OptionType, OptionValue } from "../api/option.ts";
import { assert } from "../base/assert.ts";
import { parseIpRange } from "../os/ip-range.ts";
import { formatAddress, parseListen, parseServerAddress } from "./address.ts";
import { DISCOVERY_EXPECTED, parseDiscovery } from "./discovery-source.ts";
import { describe, type Node } from "./document.ts";
import { formatDuration, parseDuration } from "./duration.ts";
import { didYouMean } from "./nearest.ts";
import { quote } from "./problem.ts";
import { formatSize, parseSize } from "./size.ts";

/** Largest number of a CPU core; no kernel is built for more. */
export const CORE_MAX = 8191;

export type Parsed =
  | { readonly ok: true; readonly value: OptionValue }
  | { readonly ok: false; readonly message: string };

/** Lists of texts. */
const LISTS: ReadonlySet<OptionType["kind"]> = new Set([
  ...(["texts", "nodes", "networks", "names", "urls"] as const),
]);

/** @returns the value, or a message: what was found and what was expected instead */
export function parseValue(option: Option, node: Node): Parsed {
  if (node.kind === "scalar") return parseText(option, node.text);
  if (option.type.kind === "cores" && node.kind === "list") return parseCoreList(node);
  if (option.type.kind === "commands" && node.kind === "list") return parseCommandList(node);
  if (LISTS.has(option.type.kind) && node.kind === "list") {
    const texts = parseTexts(node);
    if (option.type.kind === "urls") return urlsIn(texts);
    return option.type.kind === "networks" ? networksIn(texts) : texts;
  }
  const hint =
    option.type.kind === "pair" && node.kind === "map"
      ? `; braces need quotes: ${option.name}: "{}"`
      : "";
  return {
    ok: false,
    message: `expected ${expectation(option.type)}, found ${describe(node)}${hint}`,
  };
}

export function parseText(option: Option, text: string): Parsed {
  const type = option.type;
  switch (type.kind) {
    case "integer":
      return parseInteger(type, text);
    case "count":
      return text === "auto" ? ok("auto") : parseInteger(type, text);
    case "duration":
      return parseDurationValue(type, text);
    case "size":
      return parseSizeValue(type, text);
    case "boolean":
      return parseBoolean(text);
    case "choice":
      return type.values.includes(text) ? ok(text) : bad(unknownChoice(type.values, text));
    case "text":
      return hasControl(text) ? bad("control characters are not allowed") : ok(text);
    case "discovery": {
      const source = parseDiscovery(text);
      return typeof source === "string" ? bad(source) : ok(text);
    }
    case "pair":
      return /^[\x20-\x7e]{2}$/.test(text) ? ok(text) : unexpected(type, text);
    case "listen":
      return type.none && text === "none" ? ok(null) : parsedAddress(parseListen(text), text);
    case "server_address":
      return parsedAddress(parseServerAddress(text), text);
    case "cores":
      return parseCores(text);
    case "commands":
      return parseCommands(text);
    case "texts":
    case "nodes":
    case "networks":
    case "urls":
    case "names":
    case "zones":
    case "group":
    case "pools":
    case "servers":
    case "route":
    case "modules":
    case "filters":
      return unexpected(type, text);
  }
}

/** The value that stands when the option is absent from a file of this form. */
export function defaultValue(option: Option, form: Form): OptionValue {
  const text = option.default[form];
  // Of a list nothing is as good as an empty one.
  if (text === null) return option.type.kind === "texts" ? [] : null;
  const parsed = parseText(option, text);
  assert(parsed.ok, `the default of ${option.name} is valid`);
  return parsed.value;
}

/** What a value of this type looks like, to follow "expected". */
export function expectation(type: OptionType): string {
  switch (type.kind) {
    case "integer":
      return `a whole number from ${type.min} to ${type.max}`;
    case "count":
      return `auto, or a whole number from ${type.min} to ${type.max}`;
    case "duration":
      return `milliseconds, or a duration such as 400ms or 2s${type.none ? ", or none" : ""}`;
    case "size":
      return `${type.auto ? "auto, " : ""}none, or at least ${formatSize(type.min)}, such as ${type.auto ? "512mb or 2gb" : "64kb or 1mb"}`;
    case "boolean":
      return "true or false";
    case "choice":
      return `one of ${type.values.join(", ")}`;
    case "text":
      return "text";
    case "discovery":
      return DISCOVERY_EXPECTED;
    case "pair":
      return "exactly two ASCII characters in quotes";
    case "listen":
      return `host:port or /path${type.none ? ", or none" : ""}`;
    case "server_address":
      return "host:port or /path";
    case "commands":
      return "names of commands such as [CONFIG SET, DEBUG]";
    case "nodes":
      return "a list of addresses such as [10.0.0.1:7000]";
    case "networks":
      return "a list of addresses and networks such as [10.0.0.0/8]";
    case "urls":
      return 'a list of addresses such as ["http://127.0.0.1:2379"], without a path';
    case "names":
      return "a list of names such as [a, b]";
    case "texts":
      return "a list of texts such as [a, b]";
    case "cores":
      return "auto, off, or numbers of CPU cores such as [0, 1] or 0-3,8";
    case "zones":
      return "a map of zones: a name, and beside it a list of addresses, networks and host names such as [10.0.1.0/24]";
    case "group":
      return "a map of options";
    case "pools":
      return "a map of pools: a name, and under it the pool's options";
    case "modules":
      return "a list of paths such as [./deny.ts]";
    case "filters":
      return "a list of filters: a name, or a name and under it the filter's options";
    case "route":
      return "the name of a pool, or a map that says which pool what goes to";
    case "servers":
      return "a list of servers, each as host:port:weight name";
  }
}

/** A value as a file would have it. */
export function formatValue(type: OptionType, value: OptionValue): string {
  if (value === null) return "none";
  if (typeof value === "object")
    return "kind" in value ? formatAddress(value) : `[${value.join(", ")}]`;
  if (typeof value !== "number") return `${value}`;
  if (type.kind === "size") return formatSize(value);
  return type.kind === "duration" ? formatDuration(value) : `${value}`;
}

function unknownChoice(names: readonly string[], text: string): string {
  const hint = didYouMean(text, names) || `; expected one of ${names.join(", ")}`;
  return `unknown value ${quote(text)}${hint}`;
}

function parseInteger(type: { min: number; max: number } & OptionType, text: string): Parsed {
  if (!/^\d{1,15}$/.test(text)) return unexpected(type, text);
  const value = Number(text);
  return value >= type.min && value <= type.max ? ok(value) : unexpected(type, text);
}

function parseDurationValue(type: Extract<OptionType, { kind: "duration" }>, text: string): Parsed {
  if (type.none && text === "none") return ok(null);
  const ms = parseDuration(text);
  if (ms === null) {
    const negative =
      text.startsWith("-") && type.none ? "; for no limit leave it out or write none" : "";
    return bad(`expected ${expectation(type)}, found ${quote(text)}${negative}`);
  }
  if (ms === 0 && type.none) return ok(null);
  if (ms >= type.min && ms <= type.max) return ok(ms);
  return bad(`must be from ${type.min}ms to ${type.max}ms, found ${quote(text)}`);
}

function parseSizeValue(type: Extract<OptionType, { kind: "size" }>, text: string): Parsed {
  if (text === "auto" && type.auto) return ok(text);
  if (text === "none") return ok(null);
  const bytes = parseSize(text);
  if (bytes !== null && bytes >= type.min && bytes <= Number.MAX_SAFE_INTEGER) return ok(bytes);
  const hint = /^\d+$/.test(text) ? `; a size needs its unit: ${text}mb` : "";
  return bad(`expected ${expectation(type)}, found ${quote(text)}${hint}`);
}

function parseBoolean(text: string): Parsed {
  if (text === "true") return ok(true);
  if (text === "false") return ok(false);
  const other: Readonly<Record<string, string>> = {
    yes: "true",
    on: "true",
    no: "false",
    off: "false",
  };
  const lower = text.toLowerCase();
  const meant = other[lower] ?? (lower === "true" || lower === "false" ? lower : undefined);
  const hint = meant === undefined ? "" : `; write ${meant}`;
  return bad(`expected true or false, found ${quote(text)}${hint}`);
}

function parsedAddress(address: Address | string, text: string): Parsed {
  return typeof address === "string" ? bad(`${address} (found ${quote(text)})`) : ok(address);
}

/** A list of the file, whose entries may be ranges, too. */
function parseCoreList(node: Extract<Node, { kind: "list" }>): Parsed {
  const texts = node.items.map((item) => (item.kind === "scalar" ? item.text : describe(item)));
  const isNumbers = texts.every((text) => /^\d/.test(text));
  return isNumbers
    ? parseCores(texts.join(","))
    : bad(`expected ${expectation({ kind: "cores" })}, found a list of ${quote(texts.join(", "))}`);
}

/** Cores stay text here: numbers in the order given, ranges written out, separated by commas. */
function parseCores(text: string): Parsed {
  if (text === "auto" || text === "off") return ok(text);
  const cores: number[] = [];
  for (const part of text.split(",")) {
    const [, first = "", last = first] = /^\s*(\d{1,4})(?:-(\d{1,4}))?\s*$/.exec(part) ?? [];
    if (first === "" || Number(last) < Number(first) || Number(last) > CORE_MAX) {
      return unexpected({ kind: "cores" }, text);
    }
    for (let core = Number(first); core <= Number(last); core++) cores.push(core);
  }
  return ok(cores.join(","));
}

function parseCommandList(node: Extract<Node, { kind: "list" }>): Parsed {
  if (node.items.length === 0) return ok(null);
  const texts = node.items.map((item) => (item.kind === "scalar" ? item.text : "[]"));
  return parseCommands(texts.join(","));
}

function parseTexts(node: Extract<Node, { kind: "list" }>): Parsed {
  const texts: string[] = [];
  for (const item of node.items) {
    if (item.kind !== "scalar")
      return bad(
        `expected ${expectation({ kind: "texts" })}, found ${describe(item)} in it${item.kind === "map" ? "; quote a text that has a colon" : ""}`,
      );
    if (hasControl(item.text)) return bad("control characters are not allowed");
    texts.push(item.text);
  }
  return ok(texts);
}

function networksIn(texts: Parsed): Parsed {
  if (!texts.ok || !Array.isArray(texts.value)) return texts;
  const all = texts.value as readonly string[];
  if (all.length === 0) return bad("an empty list would trust no address");
  const wrong = all.find((text) => parseIpRange(text) === null);
  return wrong === undefined ? texts : unexpected({ kind: "networks" }, wrong);
}

function urlsIn(texts: Parsed): Parsed {
  if (!texts.ok || !Array.isArray(texts.value)) return texts;
  const all = texts.value as readonly string[];
  const wrong = all.find((text) => !isPlainUrl(text));
  if (wrong !== undefined) return unexpected({ kind: "urls" }, wrong);
  return all.length === 0 ? unexpected({ kind: "urls" }, "[]") : texts;
}

function isPlainUrl(text: string): boolean {
  const url = /^https?:\/\/[^/\s]+\/?$/.test(text) ? URL.parse(text) : null;
  return url !== null && url.username === "" && url.password === "";
}

/** Each in upper case, a subcommand behind "|". */
function parseCommands(text: string): Parsed {
  const names: string[] = [];
  for (const part of text.split(",")) {
    const [, name = "", sub = ""] = COMMAND_NAME.exec(part) ?? [];
    if (name === "") return unexpected({ kind: "commands" }, text);
    names.push((sub === "" ? name : `${name}|${sub}`).toUpperCase());
  }
  return ok(names);
}

/** With or without a subcommand, behind a blank or a bar. */
const COMMAND_NAME = /^\s*([\w.-]+)(?:[ |]+([\w.-]+))?\s*$/;

function hasControl(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x20 || code === 0x7f) return true;
  }
  return false;
}

function unexpected(type: OptionType, text: string): Parsed {
  return bad(`expected ${expectation(type)}, found ${quote(text)}`);
}

function ok(value: OptionValue): Parsed {
  return { ok: true, value };
}

function bad(message: string): Parsed {
  return { ok: false, message };
}
