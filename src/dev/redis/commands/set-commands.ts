/** Sets: members of one set. */
import { at, type Call, type CommandTable, from } from "../command.ts";
import { fail, SYNTAX } from "../command-error.ts";
import { positiveArg } from "../number.ts";
import { array, bulk, bulks, EMPTY_ARRAY, flag, integer, ZERO } from "../reply.ts";
import { countArg, sample } from "../sample.ts";
import { SetValue } from "../set-value.ts";

export const SET_COMMANDS: CommandTable = {
  sadd: [-3, sadd, "grows"],
  srem: [-3, srem],
  smembers: [2, (call) => call.encoding.set(setAt(call)?.members() ?? [])],
  sismember: [3, (call) => flag(setAt(call)?.has(at(call, 2)) ?? false)],
  smismember: [-3, smismember],
  scard: [2, (call) => integer(setAt(call)?.size ?? 0)],
  spop: [-2, spop],
  srandmember: [-2, srandmember],
  smove: [4, smove, "grows"],
};

function setAt(call: Call, index: number = 1): SetValue | undefined {
  return call.db.find(at(call, index), SetValue);
}

function sadd(call: Call): string {
  const set = call.db.ensure(at(call, 1), SetValue);
  return integer(from(call, 2).filter((member) => set.add(member)).length);
}

function srem(call: Call): string {
  const set = setAt(call);
  if (set === undefined) return ZERO;
  const removed = from(call, 2).filter((member) => set.delete(member)).length;
  call.db.dropIfEmpty(at(call, 1));
  return integer(removed);
}

function smismember(call: Call): string {
  const set = setAt(call);
  return array(from(call, 2).map((member) => flag(set?.has(member) ?? false)));
}

function spop(call: Call): string {
  if (call.args.length > 3) fail(SYNTAX);
  const count = call.args.length === 3 ? positiveArg(at(call, 2)) : null;
  const set = setAt(call);
  if (set === undefined) return count === null ? call.encoding.nil : call.encoding.set([]);
  const taken = sample(set.members(), count ?? 1);
  for (const member of taken) set.delete(member);
  call.db.dropIfEmpty(at(call, 1));
  return count === null ? bulk(taken[0] ?? "") : call.encoding.set(taken);
}

function srandmember(call: Call): string {
  if (call.args.length > 3) fail(SYNTAX);
  const count = call.args.length === 3 ? countArg(at(call, 2)) : null;
  const set = setAt(call);
  if (set === undefined) return count === null ? call.encoding.nil : EMPTY_ARRAY;
  const chosen = sample(set.members(), count ?? 1);
  return count === null ? bulk(chosen[0] ?? "") : bulks(chosen);
}

function smove(call: Call): string {
  const member = at(call, 3);
  const source = setAt(call);
  if (source === undefined) return ZERO;
  const target = setAt(call, 2);
  if (source === target) return flag(source.has(member));
  if (!source.delete(member)) return ZERO;
  (target ?? call.db.ensure(at(call, 2), SetValue)).add(member);
  call.db.dropIfEmpty(at(call, 1));
  return flag(true);
}
