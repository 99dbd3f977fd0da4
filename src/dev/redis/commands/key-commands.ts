/** Commands on keys of any type. */

import { matchesGlob } from "../../../protocols/redis/codec/glob.ts";
import { at, type Call, type CommandTable, from } from "../command.ts";
import { fail, NO_SUCH_KEY } from "../command-error.ts";
import type { Value } from "../database.ts";
import { bulkOrNil } from "../encoding.ts";
import { bulks, flag, integer, OK, simple, ZERO } from "../reply.ts";

export const KEY_COMMANDS: CommandTable = {
  del: [-2, deleteKeys],
  unlink: [-2, deleteKeys],
  exists: [-2, countExisting],
  touch: [-2, countExisting],
  type: [2, (call) => simple(typeName(call.db.get(at(call, 1))))],
  rename: [3, rename],
  renamenx: [3, renameNx],
  keys: [2, keys],
  randomkey: [1, ({ db, encoding }) => bulkOrNil(encoding, db.randomKey())],
};

/** The word that TYPE answers. */
export function typeName(value: Value | undefined): string {
  if (value === undefined) return "none";
  return typeof value === "string" ? "string" : value.type;
}

function deleteKeys(call: Call): string {
  return integer(from(call, 1).filter((key) => call.db.delete(key)).length);
}

function countExisting(call: Call): string {
  return integer(from(call, 1).filter((key) => call.db.get(key) !== undefined).length);
}

function rename(call: Call): string {
  const [source, target] = [at(call, 1), at(call, 2)];
  if (call.db.get(source) === undefined) fail(NO_SUCH_KEY);
  if (source !== target) call.db.rename(source, target);
  return OK;
}

function renameNx(call: Call): string {
  const [source, target] = [at(call, 1), at(call, 2)];
  if (call.db.get(source) === undefined) fail(NO_SUCH_KEY);
  if (call.db.get(target) !== undefined) return ZERO;
  call.db.rename(source, target);
  return flag(true);
}

function keys(call: Call): string {
  return bulks(call.db.keys().filter((key) => matchesGlob(at(call, 1), key)));
}
