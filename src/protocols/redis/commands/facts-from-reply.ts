/** What a server says of a command (https://redis.io/docs/latest/commands/command-info), as the command table's facts. */

import type { Decoded } from "../codec/decode.ts";
import type { CommandFacts, KeySpec } from "./command-facts.ts";

/** Fields of an entry, by position. Servers before version 7 leave out those from TIPS on. */
const NAME = 0;
const ARITY = 1;
const FLAGS = 2;
const FIRST = 3;
const LAST = 4;
const STEP = 5;
const TIPS = 7;
const KEY_SPECS = 8;
const SUBCOMMANDS = 9;

/**
 * The command of this entry of a COMMAND INFO reply, and its subcommands; none when it is not understood.
 * @param name what it is called, in upper case; servers may tell another name than the one it was renamed to
 */
export function factsFromReply(entry: Decoded, name: string): CommandFacts[] {
  if (!Array.isArray(entry)) return [];
  const subcommands = listOf(entry[SUBCOMMANDS]).flatMap((subcommand) =>
    factsFromReply(subcommand, `${name}|${subcommandName(subcommand)}`),
  );
  const flags = listOf(entry[FLAGS]).map(textOf);
  const positions = [FIRST, LAST, STEP].map((at) => numberOf(entry[at]));
  const [first = 0, last = 0, step = 0] = positions;
  const tips = listOf(entry[TIPS]).map(textOf);
  const specs = listOf(entry[KEY_SPECS]).map(keySpecOf);
  const keySpecs = specs.filter((spec) => spec !== null);
  if (keySpecs.length === 0 && first > 0) {
    const lastFromFirst = last < 0 ? last : last - first;
    keySpecs.push({
      from: "index",
      index: first,
      last: lastFromFirst,
      step: Math.max(step, 1),
      limit: 0,
    });
  }
  const facts: CommandFacts = {
    name,
    original: textOf(entry[NAME]).toUpperCase(),
    arity: numberOf(entry[ARITY]),
    flags,
    positions: [first, last, step],
    requestPolicy: policyOf("request", tips),
    responsePolicy: policyOf("response", tips),
    keySpecs,
    isContainer: subcommands.length > 0,
    isLearned: true,
  };
  return [facts, ...subcommands];
}

function subcommandName(entry: Decoded): string {
  const [, name = ""] = textOf(listOf(entry)[NAME]).toUpperCase().split("|");
  return name;
}

function policyOf(kind: string, tips: readonly string[]): string {
  return tips.find((tip) => tip.startsWith(`${kind}_policy:`))?.split(":")[1] ?? "";
}

/** Null: a kind of specification that is not known here, or "unknown" to the server itself. */
function keySpecOf(entry: Decoded): KeySpec | null {
  const fields = fieldsOf(entry);
  const begin = fieldsOf(fields.get("begin_search"));
  const find = fieldsOf(fields.get("find_keys"));
  const beginSpec = fieldsOf(begin.get("spec"));
  const findSpec = fieldsOf(find.get("spec"));
  const number = (spec: Fields, name: string): number => numberOf(spec.get(name));
  const range = {
    last: number(findSpec, "lastkey"),
    step: Math.max(number(findSpec, "keystep"), 1),
    limit: number(findSpec, "limit"),
  };
  const kinds = `${textOf(begin.get("type"))} ${textOf(find.get("type"))}`;
  if (kinds === "index range") {
    return { from: "index", index: number(beginSpec, "index"), ...range };
  }
  if (kinds === "keyword range") {
    const keyword = textOf(beginSpec.get("keyword"));
    return { from: "keyword", keyword, searchFrom: number(beginSpec, "startfrom"), ...range };
  }
  if (kinds !== "index keynum") return null;
  return {
    from: "count",
    index: number(beginSpec, "index"),
    countIndex: number(findSpec, "keynumidx"),
    firstKey: number(findSpec, "firstkey"),
    step: number(findSpec, "keystep"),
  };
}

type Fields = ReadonlyMap<string, Decoded>;

/** A map as it is decoded: names and values by turns. */
function fieldsOf(value: Decoded | undefined): Fields {
  const flat = listOf(value);
  const fields = new Map<string, Decoded>();
  for (let i = 0; i + 1 < flat.length; i += 2) fields.set(textOf(flat[i]), flat[i + 1]!);
  return fields;
}

function listOf(value: Decoded | undefined): readonly Decoded[] {
  return Array.isArray(value) ? value : [];
}

function textOf(value: Decoded | undefined): string {
  return Buffer.isBuffer(value) ? value.toString("latin1") : "";
}

function numberOf(value: Decoded | undefined): number {
  return typeof value === "number" ? value : 0;
}
