/** SCAN and its relatives. The ones on a single collection answer everything at once, as Redis does for small ones. */

import { matchesGlob } from "../../../protocols/redis/codec/glob.ts";
import { at, type Call, type CommandTable, from } from "../command.ts";
import { fail, SYNTAX } from "../command-error.ts";
import { HashValue } from "../hash-value.ts";
import { formatStoredScore, numberArg } from "../number.ts";
import { array, bulk, bulks } from "../reply.ts";
import { SetValue } from "../set-value.ts";
import { SortedSetValue } from "../sorted-set-value.ts";
import { typeName } from "./key-commands.ts";

export const SCAN_COMMANDS: CommandTable = {
  scan: [-2, scan],
  hscan: [-3, hscan],
  sscan: [-3, sscan],
  zscan: [-3, zscan],
};

interface ScanOptions {
  match: string;
  count: number;
  type: string | null;
}

function readCursor(text: string): number {
  if (!/^[0-9]{1,19}$/.test(text)) fail("ERR invalid cursor");
  return Number(text);
}

function readOptions(options: readonly string[], hasType: boolean): ScanOptions {
  const result: ScanOptions = { match: "*", count: 10, type: null };
  for (let i = 0; i < options.length; i += 2) {
    const name = (options[i] ?? "").toUpperCase();
    const value = options[i + 1] ?? fail(SYNTAX);
    if (name === "MATCH") {
      result.match = value;
    } else if (name === "COUNT") {
      result.count = numberArg(value);
      if (result.count < 1) fail(SYNTAX);
    } else if (name === "TYPE" && hasType) {
      result.type = value.toLowerCase();
    } else {
      fail(SYNTAX);
    }
  }
  return result;
}

function scan(call: Call): string {
  const start = readCursor(at(call, 1));
  const { match, count, type } = readOptions(from(call, 2), true);
  const { keys, cursor } = call.db.scan(start, count);
  const wanted = keys.filter(
    (key) => matchesGlob(match, key) && (type === null || typeName(call.db.get(key)) === type),
  );
  return array([bulk(String(cursor)), bulks(wanted)]);
}

/** All items whose name matches, and cursor 0: there is no more. */
function whole(call: Call, items: () => readonly (readonly string[])[]): string {
  readCursor(at(call, 2));
  const found = items();
  if (found.length === 0) return array([bulk("0"), bulks([])]);
  const { match } = readOptions(from(call, 3), false);
  return array([bulk("0"), bulks(found.filter(([name = ""]) => matchesGlob(match, name)).flat())]);
}

function hscan(call: Call): string {
  return whole(call, () => call.db.find(at(call, 1), HashValue)?.entries() ?? []);
}

function sscan(call: Call): string {
  const members = () => call.db.find(at(call, 1), SetValue)?.members() ?? [];
  return whole(call, () => members().map((member) => [member]));
}

function zscan(call: Call): string {
  return whole(call, () => {
    const zset = call.db.find(at(call, 1), SortedSetValue);
    const items = zset?.range(0, zset.size - 1) ?? [];
    return items.map(({ member, score }) => [member, formatStoredScore(score)]);
  });
}
