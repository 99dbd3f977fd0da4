/** What operators look at, over HTTP: the questions and answers of the commands of the same names, as JSON. */
import type { ControlResult, Look } from "../api/control-socket.ts";
import { CLIENT_ORDERS, CLIENT_STATES, type ClientQuery } from "../api/inspection.ts";
import { BIG_KEY_ORDERS } from "../api/key-report.ts";
import type { HttpAnswer } from "./http-port.ts";
import type { HttpRequest } from "./http-request.ts";

/** Null: the supervisor does not answer. */
export type AskLook = (look: Look) => Promise<ControlResult | null>;

type Query = HttpRequest["query"];

const JSON_TYPE = "application/json; charset=utf-8";
const LIMIT_DEFAULT = 100;

/** By path: what the query asks for; a text says what is wrong with it. */
export const LOOKS: ReadonlyMap<string, (query: Query) => Look | string> = new Map([
  ["/clients", (query: Query) => clientsLook(query)],
  ["/slowlog", (query: Query) => slowLogLook(query)],
  ["/hotkeys", (query: Query) => hotKeysLook(query)],
  ["/bigkeys", (query: Query) => bigKeysLook(query)],
]);

export async function answerLook(look: Look | string, ask: AskLook): Promise<HttpAnswer> {
  if (typeof look === "string") return answer(400, { ok: false, problems: [look] });
  const result = await ask(look);
  if (result === null) {
    return answer(503, { ok: false, problems: ["the supervisor does not answer"] });
  }
  if (result.ok) return answer(200, result);
  const { isUnknown = false, ...refusal } = result;
  return answer(isUnknown ? 404 : 503, refusal);
}

function answer(status: number, body: unknown): HttpAnswer {
  return { status, type: JSON_TYPE, body: `${JSON.stringify(body)}\n` };
}

function clientsLook(query: Query): Look | string {
  const unknown = unknownIn(query, ["order", "limit", "pool", "address", "name", "user", "state"]);
  if (unknown !== null) return unknown;
  const order = oneOf(query, "order", CLIENT_ORDERS) ?? "requests";
  const state = oneOf(query, "state", CLIENT_STATES);
  const limit = limitIn(query);
  for (const part of [order, state, limit]) if (part instanceof Error) return part.message;
  const text = (name: string): string | null => query.get(name) ?? null;
  return {
    verb: "clients",
    query: {
      ...({ order, limit, state } as Pick<ClientQuery, "order" | "limit" | "state">),
      ...{ pool: text("pool"), address: text("address"), name: text("name"), user: text("user") },
    },
  };
}

function slowLogLook(query: Query): Look | string {
  const unknown = unknownIn(query, ["after", "limit", "pool"]);
  if (unknown !== null) return unknown;
  const limit = limitIn(query);
  if (limit instanceof Error) return limit.message;
  const after = query.get("after") ?? "0";
  if (!/^\d{1,15}$/.test(after)) return "after: a number from 0 on";
  return { verb: "slowlog", after: Number(after), count: limit, pool: query.get("pool") ?? null };
}

function hotKeysLook(query: Query): Look | string {
  const unknown = unknownIn(query, ["limit", "pool"]);
  if (unknown !== null) return unknown;
  const limit = limitIn(query);
  if (limit instanceof Error) return limit.message;
  return { verb: "hotkeys", limit, pool: query.get("pool") ?? null };
}

function bigKeysLook(query: Query): Look | string {
  const unknown = unknownIn(query, ["order", "limit", "pool"]);
  if (unknown !== null) return unknown;
  const order = oneOf(query, "order", BIG_KEY_ORDERS) ?? "bytes";
  if (order instanceof Error) return order.message;
  const limit = limitIn(query);
  if (limit instanceof Error) return limit.message;
  return { verb: "bigkeys", order, limit, pool: query.get("pool") ?? null };
}

/** What is wrong with the names; null: nothing. */
function unknownIn(query: Query, names: readonly string[]): string | null {
  const unknown = [...query.keys()].find((name) => !names.includes(name));
  return unknown === undefined ? null : `there is only ${names.join(", ")} to ask for here`;
}

/** Null: it is not there. */
function oneOf<Word extends string>(
  query: Query,
  name: string,
  words: readonly Word[],
): Word | Error | null {
  const given = query.get(name);
  if (given === undefined) return null;
  return words.find((word) => word === given) ?? new Error(`${name}: one of ${words.join(", ")}`);
}

function limitIn(query: Query): number | Error {
  const given = query.get("limit") ?? `${LIMIT_DEFAULT}`;
  return /^[1-9]\d{0,5}$/.test(given) ? Number(given) : new Error("limit: a number from 1 on");
}
