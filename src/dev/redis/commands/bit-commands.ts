/** Strings as arrays of bits, the highest bit of a byte first. */

import { BULK_BYTES_MAX } from "../../../base/limits.ts";
import { at, type Call, type CommandTable } from "../command.ts";
import { fail, SYNTAX } from "../command-error.ts";
import { numberArg } from "../number.ts";
import { flag, integer, ZERO } from "../reply.ts";
import { checkGrowth } from "./string-commands.ts";

const BAD_OFFSET = "ERR bit offset is not an integer or out of range";
const BAD_BIT = "ERR bit is not an integer or out of range";

export const BIT_COMMANDS: CommandTable = {
  getbit: [3, getBit],
  setbit: [4, setBit, "grows"],
  bitcount: [-2, bitCount],
};

function bitOffset(text: string): number {
  const offset = numberArg(text, BAD_OFFSET);
  if (offset < 0 || offset >= BULK_BYTES_MAX * 8) fail(BAD_OFFSET);
  return offset;
}

function bitAt(value: string, offset: number): number {
  const index = Math.floor(offset / 8);
  return index < value.length ? (value.charCodeAt(index) >> (7 - (offset % 8))) & 1 : 0;
}

function getBit(call: Call): string {
  const offset = bitOffset(at(call, 2));
  return integer(bitAt(call.db.getString(at(call, 1)) ?? "", offset));
}

function setBit(call: Call): string {
  const key = at(call, 1);
  const offset = bitOffset(at(call, 2));
  const bit = numberArg(at(call, 3), BAD_BIT);
  if (bit !== 0 && bit !== 1) fail(BAD_BIT);
  const value = call.db.getString(key) ?? "";
  const index = Math.floor(offset / 8);
  checkGrowth(call, index + 1, Math.max(index + 1 - value.length, 0));
  const padded = value.padEnd(index + 1, "\0");
  const mask = 0x80 >> (offset % 8);
  const byte = padded.charCodeAt(index);
  const changed = String.fromCharCode(bit === 1 ? byte | mask : byte & ~mask);
  call.db.replace(key, padded.substring(0, index) + changed + padded.substring(index + 1));
  return flag((byte & mask) !== 0);
}

function bitCount(call: Call): string {
  const value = call.db.getString(at(call, 1));
  if (value === undefined) return ZERO;
  const count = call.args.length;
  if (count === 2) return integer(countBits(value, 0, Infinity));
  if (count !== 4 && count !== 5) fail(SYNTAX);
  const [start, end] = [numberArg(at(call, 2)), numberArg(at(call, 3))];
  if (start < 0 && end < 0 && start > end) return ZERO;
  const unit = count === 5 ? at(call, 4).toUpperCase() : "BYTE";
  if (unit !== "BYTE" && unit !== "BIT") fail(SYNTAX);
  const length = unit === "BIT" ? value.length * 8 : value.length;
  const first = Math.max(start < 0 ? length + start : start, 0);
  const last = Math.min(Math.max(end < 0 ? length + end : end, 0), length - 1);
  if (unit === "BIT") return integer(countBits(value, first, last));
  return integer(countBits(value, first * 8, last * 8 + 7));
}

/** Set bits with first ≤ offset ≤ last. */
function countBits(value: string, first: number, last: number): number {
  const end = Math.min(last, value.length * 8 - 1);
  let count = 0;
  for (let offset = first; offset <= end; offset += 1) count += bitAt(value, offset);
  return count;
}
