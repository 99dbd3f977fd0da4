/** What operators order over HTTP: the commands of the same names, with their words as JSON. */
import type { AdminOrder, ControlResult } from "../api/control-socket.ts";
import type { LeverKind } from "../api/steering.ts";
import { parseDuration } from "../config/duration.ts";
import type { HttpAnswer } from "./http-port.ts";

/** Has the supervisor do it. `by`: from where it came. Null: the supervisor does not answer, or is older than this. */
export type GiveOrder = (order: AdminOrder, by: string) => Promise<ControlResult | null>;

type Words = Readonly<Record<string, unknown>>;

const JSON_TYPE = "application/json; charset=utf-8";
const PAUSE_PRESET = "5s";
const PRESET = "10m";
const POOL_WANTED = "pool: the name of one";
const NOT_SURE = "the supervisor has not answered: whether it was done, proxy status says";
/** Ids of clients are numbers that a double holds exactly. */
const NUMBER = /^\d{1,15}$/;

/** By path: what is to be done; a text says what is wrong with the words. */
export const ORDERS: ReadonlyMap<string, (words: Words) => AdminOrder | string> = new Map([
  ["/pause", (words: Words) => lever("pause", words, PAUSE_PRESET)],
  ["/resume", (words: Words) => resume(words)],
  ["/readonly", (words: Words) => lever("readonly", words, PRESET)],
  ["/block", (words: Words) => lever("block", words, PRESET)],
  ["/drain", (words: Words) => drain(words)],
  ["/undrain", (words: Words) => undrain(words)],
  ["/release", (words: Words) => release(words)],
  ["/kick", (words: Words) => kick(words)],
  ["/log-level", (words: Words) => logLevel(words)],
  ["/config/set", (words: Words) => setting(words)],
  ["/config/unset", (words: Words) => unset(words)],
]);

/** @param body JSON: an object with the words. @param order what one of ORDERS makes of them */
export async function answerOrder(
  body: string,
  order: (words: Words) => AdminOrder | string,
  give: (order: AdminOrder) => Promise<ControlResult | null>,
): Promise<HttpAnswer> {
  const words = wordsIn(body);
  const made = words === null ? "the body must be a JSON object" : order(words);
  if (typeof made === "string") return answer(400, { ok: false, problems: [made] });
  const result = await give(made);
  return result === null ? answer(503, { ok: false, problems: [NOT_SURE] }) : answerResult(result);
}

/** The answer to a question of the supervisor's or an order. */
export function answerResult(result: ControlResult | null): HttpAnswer {
  if (result === null) {
    return answer(503, { ok: false, problems: ["the supervisor does not answer"] });
  }
  // What cannot be done as things are: nothing has changed.
  return answer(result.ok ? 200 : 409, result);
}

function answer(status: number, body: unknown): HttpAnswer {
  return { status, type: JSON_TYPE, body: `${JSON.stringify(body)}\n` };
}

function wordsIn(body: string): Words | null {
  try {
    const words: unknown = JSON.parse(body);
    const isObject = typeof words === "object" && words !== null && !Array.isArray(words);
    return isObject ? (words as Words) : null;
  } catch {
    return null;
  }
}

function lever(kind: LeverKind, words: Words, preset: string): AdminOrder | string {
  const names = kind === "block" ? ["pattern", "pool", "for"] : ["pool", "for"];
  const forMs = timeIn(words, preset);
  const unknown = unknownIn(words, names);
  if (unknown !== null) return unknown;
  if (typeof forMs === "string") return forMs;
  const { pool = null, pattern = "" } = words;
  if (kind === "block") {
    if (!isWord(pattern) || pattern.trim() === "") return "pattern: such as DEL user:*";
    if (pool !== null && !isWord(pool)) return POOL_WANTED;
    return { verb: "lever", kind, pool, text: pattern.trim(), forMs };
  }
  return isWord(pool) ? { verb: "lever", kind, pool, text: "", forMs } : POOL_WANTED;
}

function resume(words: Words): AdminOrder | string {
  const { pool } = words;
  const unknown = unknownIn(words, ["pool"]);
  if (unknown !== null) return unknown;
  return isWord(pool) ? { verb: "release", id: null, kind: "pause", pool } : POOL_WANTED;
}

function drain(words: Words): AdminOrder | string {
  const unknown = unknownIn(words, ["server", "pool", "for"]);
  const server = serverIn(words);
  const forMs = timeIn(words, PRESET);
  if (unknown !== null) return unknown;
  if (typeof server === "string") return server;
  return typeof forMs === "string" ? forMs : { verb: "lever", kind: "drain", ...server, forMs };
}

function undrain(words: Words): AdminOrder | string {
  const unknown = unknownIn(words, ["server", "pool"]);
  const server = serverIn(words);
  if (unknown !== null) return unknown;
  if (typeof server === "string") return server;
  return { verb: "release", id: null, kind: "drain", ...server };
}

/** The server that is named, `text`, and its pool, or what is wrong with them. */
function serverIn({
  server,
  pool = null,
}: Words): { readonly pool: string | null; readonly text: string } | string {
  if (!isWord(server)) return "server: its name or its address";
  return pool === null || isWord(pool) ? { pool, text: server } : POOL_WANTED;
}

function release(words: Words): AdminOrder | string {
  const unknown = unknownIn(words, ["lever"]);
  if (unknown !== null) return unknown;
  const all = { id: null, kind: null, pool: null };
  if (words["lever"] === "all") return { verb: "release", ...all };
  const id = numberIn(words["lever"]);
  return id === null ? "lever: its number, or all" : { verb: "release", ...all, id };
}

function kick(words: Words): AdminOrder | string {
  const { client } = words;
  const unknown = unknownIn(words, ["client"]);
  if (unknown !== null) return unknown;
  const id = numberIn(client);
  if (id !== null && id > 0) return { verb: "kick", target: { id } };
  return isWord(client)
    ? { verb: "kick", target: { address: client } }
    : "client: its number or its address";
}

function logLevel(words: Words): AdminOrder | string {
  const unknown = unknownIn(words, ["level", "for"]);
  const { level: value, ...rest } = words;
  return unknown ?? setting({ ...rest, path: "log.level", value });
}

function setting(words: Words): AdminOrder | string {
  const unknown = unknownIn(words, ["path", "value", "for"]);
  if (unknown !== null) return unknown;
  const forMs = timeIn(words, PRESET);
  if (typeof forMs === "string") return forMs;
  const { path, value } = words;
  if (!isWord(path)) return "path: the option's, such as main.timeout";
  if (typeof value !== "string") return "value: a text, as in a file";
  return { verb: "config_set", path, value, isSaved: false, reloads: false, forMs };
}

function unset(words: Words): AdminOrder | string {
  const unknown = unknownIn(words, ["path"]);
  if (unknown !== null) return unknown;
  const { path } = words;
  return isWord(path) ? { verb: "config_unset", path } : "path: the option's, such as main.timeout";
}

/** What is wrong with the names; null: nothing. */
function unknownIn(words: Words, names: readonly string[]): string | null {
  const unknown = Object.keys(words).find((name) => !names.includes(name));
  return unknown === undefined ? null : `there is only ${names.join(", ")} to say here`;
}

/** In milliseconds, or what is wrong with it. */
function timeIn(words: Words, preset: string): number | string {
  const { for: time = preset } = words;
  const ms = typeof time === "string" ? parseDuration(time) : null;
  return ms !== null && ms > 0 ? ms : "for: a duration such as 30s or 10m";
}

function numberIn(value: unknown): number | null {
  if (typeof value === "number") return Number.isSafeInteger(value) && value >= 0 ? value : null;
  return typeof value === "string" && NUMBER.test(value) ? Number(value) : null;
}

function isWord(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}
