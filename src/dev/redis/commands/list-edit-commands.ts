/** Lists: changing and searching the middle. */
import { at, type Call, type CommandTable, from } from "../command.ts";
import { fail, NO_SUCH_KEY, OUT_OF_RANGE, SYNTAX } from "../command-error.ts";
import { numberArg, positiveArg } from "../number.ts";
import { array, EMPTY_ARRAY, integer, OK, ZERO } from "../reply.ts";
import { absoluteIndex, listAt } from "./list-commands.ts";

const ZERO_RANK =
  "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start from the end of the list";

export const LIST_EDIT_COMMANDS: CommandTable = {
  lset: [4, lset, "grows"],
  lrem: [4, lrem],
  ltrim: [4, ltrim],
  linsert: [5, linsert, "grows"],
  lpos: [-3, lpos],
};

function lset(call: Call): string {
  const list = listAt(call) ?? fail(NO_SUCH_KEY);
  const index = absoluteIndex(numberArg(at(call, 2)), list.size);
  if (list.at(index) === undefined) fail(OUT_OF_RANGE);
  list.set(index, at(call, 3));
  return OK;
}

function lrem(call: Call): string {
  const count = numberArg(at(call, 2));
  const list = listAt(call);
  if (list === undefined) return ZERO;
  const wanted = at(call, 3);
  const matches = list.toArray().flatMap((value, index) => (value === wanted ? [index] : []));
  const limit = count === 0 ? matches.length : Math.min(Math.abs(count), matches.length);
  const doomed = new Set(matches.splice(count < 0 ? matches.length - limit : 0, limit));
  list.filter((_, index) => !doomed.has(index));
  call.db.dropIfEmpty(at(call, 1));
  return integer(doomed.size);
}

function ltrim(call: Call): string {
  const [start, end] = [numberArg(at(call, 2)), numberArg(at(call, 3))];
  const list = listAt(call);
  if (list === undefined) return OK;
  const first = absoluteIndex(start, list.size);
  const last = absoluteIndex(end, list.size);
  list.filter((_, index) => index >= first && index <= last);
  call.db.dropIfEmpty(at(call, 1));
  return OK;
}

function linsert(call: Call): string {
  const where = at(call, 2).toLowerCase();
  if (where !== "before" && where !== "after") fail(SYNTAX);
  const list = listAt(call);
  if (list === undefined) return ZERO;
  const pivot = list.toArray().indexOf(at(call, 3));
  if (pivot < 0) return integer(-1);
  list.insert(where === "before" ? pivot : pivot + 1, at(call, 4));
  return integer(list.size);
}

interface Search {
  rank: number;
  count: number | null;
  lengthMax: number;
}

function readSearch(options: readonly string[]): Search {
  const search: Search = { rank: 1, count: null, lengthMax: 0 };
  for (let i = 0; i < options.length; i += 2) {
    const name = (options[i] ?? "").toUpperCase();
    const value = options[i + 1] ?? fail(SYNTAX);
    if (name === "RANK") {
      search.rank = numberArg(value);
      if (search.rank === 0) fail(ZERO_RANK);
    } else if (name === "COUNT") {
      search.count = positiveArg(value, "ERR COUNT can't be negative");
    } else if (name === "MAXLEN") {
      search.lengthMax = positiveArg(value, "ERR MAXLEN can't be negative");
    } else {
      fail(SYNTAX);
    }
  }
  return search;
}

function lpos(call: Call): string {
  const { rank, count, lengthMax } = readSearch(from(call, 3));
  const list = listAt(call);
  if (list === undefined) return count === null ? call.encoding.nil : EMPTY_ARRAY;
  const size = list.size;
  const looked = lengthMax === 0 ? size : Math.min(lengthMax, size);
  const wanted = count === null ? 1 : count === 0 ? size : count;
  const found: number[] = [];
  let toSkip = Math.abs(rank) - 1;
  for (let step = 0; step < looked && found.length < wanted; step += 1) {
    const index = rank > 0 ? step : size - 1 - step;
    if (list.at(index) !== at(call, 2)) continue;
    if (toSkip > 0) toSkip -= 1;
    else found.push(index);
  }
  if (count !== null) return array(found.map(integer));
  return found[0] === undefined ? call.encoding.nil : integer(found[0]);
}
