/** Sets: intersection, union and difference of several. */
import { at, type Call, type CommandTable, from } from "../command.ts";
import { fail, SYNTAX } from "../command-error.ts";
import { positiveArg } from "../number.ts";
import { integer } from "../reply.ts";
import { SetValue } from "../set-value.ts";

/** `sets` has an entry for every key, undefined for one that does not exist; there is at least one. */
type Combine = (sets: readonly (SetValue | undefined)[]) => string[];

export const SET_ALGEBRA_COMMANDS: CommandTable = {
  sinter: [-2, (call) => answer(call, intersect)],
  sunion: [-2, (call) => answer(call, unite)],
  sdiff: [-2, (call) => answer(call, subtract)],
  sinterstore: [-3, (call) => store(call, intersect), "grows"],
  sunionstore: [-3, (call) => store(call, unite), "grows"],
  sdiffstore: [-3, (call) => store(call, subtract), "grows"],
  sintercard: [-3, sinterCard],
};

const intersect: Combine = ([first, ...others]) =>
  (first?.members() ?? []).filter((member) => others.every((set) => set?.has(member) ?? false));

const unite: Combine = (sets) => [...new Set(sets.flatMap((set) => set?.members() ?? []))];

const subtract: Combine = ([first, ...others]) =>
  (first?.members() ?? []).filter((member) => !others.some((set) => set?.has(member) ?? false));

function setsAt(call: Call, keys: readonly string[]): (SetValue | undefined)[] {
  return keys.map((key) => call.db.find(key, SetValue));
}

function answer(call: Call, combine: Combine): string {
  return call.encoding.set(combine(setsAt(call, from(call, 1))));
}

function store(call: Call, combine: Combine): string {
  const members = combine(setsAt(call, from(call, 2)));
  const target = at(call, 1);
  call.db.delete(target);
  if (members.length > 0) {
    const set = call.db.ensure(target, SetValue);
    for (const member of members) set.add(member);
  }
  return integer(members.length);
}

function sinterCard(call: Call): string {
  const count = positiveArg(at(call, 1), "ERR numkeys should be greater than 0");
  if (count === 0) fail("ERR numkeys should be greater than 0");
  if (count > call.args.length - 2) fail("ERR Number of keys can't be greater than number of args");
  const keys = from(call, 2);
  const options = keys.splice(count);
  let limit = 0;
  for (let i = 0; i < options.length; i += 2) {
    const value = options[i + 1];
    if (value === undefined || !/^limit$/i.test(options[i] ?? "")) fail(SYNTAX);
    limit = positiveArg(value, "ERR LIMIT can't be negative");
  }
  const size = intersect(setsAt(call, keys)).length;
  return integer(limit === 0 ? size : Math.min(size, limit));
}
