/** PROXY SHOW TABLE [TEXT]: what the proxy says of itself and this pool, where the pool's `proxy_commands` allow it. */
import type { ShownTable } from "../../../../api/inspection.ts";
import { NOT_ALLOWED_TEXT, TableTexts } from "../../../operators.ts";
import { encodeError, encodeValue, type RespVersion } from "../../codec/encode.ts";
import type { RequestView } from "../../codec/request-view.ts";
import type { RedisClient } from "../redis-client.ts";
import { answerLater } from "./local-handler.ts";
import { answerHotKeys } from "./proxy-hotkeys.ts";
import { linesOf } from "./table-lines.ts";

const SYNTAX: Buffer = encodeError(
  "ERR it is PROXY SHOW TABLE, or for people PROXY SHOW TABLE TEXT; try PROXY SHOW HELP for the tables",
);
const NOT_HERE: Buffer = encodeError(
  "ERR PROXY is not answered in a transaction or while subscribed",
);
const NOT_NOW: Buffer = encodeError(
  "ERR the proxy's supervisor did not answer in time, or is older than this command",
);
const NOT_ALLOWED: Buffer = encodeError(`ERR unknown command 'PROXY': ${NOT_ALLOWED_TEXT}`);
const ARGUMENTS = 3;
/** Behind them: the table as lines. */
const FOR_PEOPLE = "TEXT";

/** Whether the request, of an unknown command, is for the proxy itself. */
export function isForProxy(client: RedisClient, view: RequestView): boolean {
  const { pool } = client;
  if (!pool.operators.areAllowed()) return false;
  const name = view.text(0).toUpperCase();
  return name === "PROXY" || (name === HOTKEYS && isFree(client) && !pool.commands.denies(name));
}

/** Servers before Redis 8.6 do not have it. */
const HOTKEYS = "HOTKEYS";

function isFree({ mode, pin }: RedisClient): boolean {
  return mode === null && pin === null;
}

/** What to say of PROXY where it is not allowed, and no server has a command of that name; null: it is another command. */
export function notAllowed({ state }: RedisClient, view: RequestView): Buffer | null {
  return state.isAuthenticated && view.text(0).toUpperCase() === "PROXY" ? NOT_ALLOWED : null;
}

/** @returns "later": not now, see `findCommand`; one such question of a client is open at a time */
export function answerForProxy(client: RedisClient, view: RequestView): "refused" | "later" {
  const { state, pool } = client;
  if (view.text(0).toUpperCase() === HOTKEYS) {
    return answerHotKeys(client, view) ? "refused" : "later";
  }
  if (!isFree(client)) client.refuse(NOT_HERE);
  else if (!isShow(view)) client.refuse(SYNTAX);
  else {
    if (!client.settleFirst()) return "later";
    const texts = view.count === ARGUMENTS ? TEXTS[state.version] : LINES;
    answerLater(client, (answer) =>
      pool.operators.show(view.text(2), (table) =>
        answer(table === null ? NOT_NOW : texts.of(table)),
      ),
    );
  }
  return "refused";
}

function isShow(view: RequestView): boolean {
  if (view.count < ARGUMENTS || view.text(1).toUpperCase() !== "SHOW") return false;
  return (
    view.count === ARGUMENTS ||
    (view.count === ARGUMENTS + 1 && view.text(ARGUMENTS).toUpperCase() === FOR_PEOPLE)
  );
}

const TEXTS: Readonly<Record<RespVersion, TableTexts>> = {
  2: new TableTexts((table) => encoded(table, 2)),
  3: new TableTexts((table) => encoded(table, 3)),
};

/** An array of strings is the same in both versions. */
const LINES: TableTexts = new TableTexts((table) =>
  "problem" in table ? problemOf(table.problem) : encodeValue(linesOf(table.rows), 2),
);

function problemOf(problem: string): Buffer {
  return encodeError(`ERR ${problem}`);
}

function encoded(table: ShownTable, version: RespVersion): Buffer {
  if ("problem" in table) return problemOf(table.problem);
  const maps = table.rows.map((row) => ({
    mapOf: Object.entries(row).map(([name, value]): [string, string | number] => [
      name,
      // There are no other numbers in RESP2.
      Number.isSafeInteger(value) ? value : `${value}`,
    ]),
  }));
  return encodeValue(maps, version);
}
