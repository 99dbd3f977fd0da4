/** Finds a command by its name in received bytes, in any case, without making a string. */
import { COMMANDS, type Command } from "./command.ts";

const BAR = 0x7c;
/** Clears the bit that tells lower from upper case; other characters may collide but are compared exactly. */
const CASE_MASK = 0xdf;
const TABLE_SIZE = 2048;
const NAME_BYTES_MAX = 64;

interface Entry {
  readonly name: Buffer;
  readonly command: Command;
  readonly next: Entry | null;
}

const table: (Entry | null)[] = new Array(TABLE_SIZE).fill(null);

for (const command of COMMANDS.values()) {
  const name = Buffer.from(command.name, "latin1");
  const slot = slotOf(name, 0, name.length);
  table[slot] = { name, command, next: table[slot] ?? null };
}

/** The command named by bytes[start, end), or null. A subcommand is found by "CONTAINER|SUBCOMMAND". */
export function findCommand(bytes: Buffer, start: number, end: number): Command | null {
  if (end - start > 2 * NAME_BYTES_MAX) return null;
  let entry = table[slotOf(bytes, start, end)] ?? null;
  while (entry !== null) {
    if (isName(entry.name, bytes, start, end)) return entry.command;
    entry = entry.next;
  }
  return null;
}

const joined: Buffer = Buffer.alloc(2 * NAME_BYTES_MAX + 1);

/** The subcommand of `container` named by bytes[start, end), or null. */
export function findSubcommand(
  container: Command,
  bytes: Buffer,
  start: number,
  end: number,
): Command | null {
  if (end - start > NAME_BYTES_MAX) return null;
  const prefix = joined.write(container.name, 0, "latin1");
  joined[prefix] = BAR;
  const length = prefix + 1 + bytes.copy(joined, prefix + 1, start, end);
  return findCommand(joined, 0, length);
}

function slotOf(bytes: Buffer, start: number, end: number): number {
  let hash = end - start;
  for (let i = start; i < end; i++) hash = (Math.imul(hash, 31) + (bytes[i]! & CASE_MASK)) | 0;
  return (hash ^ (hash >>> 11)) & (TABLE_SIZE - 1);
}

function isName(name: Buffer, bytes: Buffer, start: number, end: number): boolean {
  if (name.length !== end - start) return false;
  for (let i = 0; i < name.length; i++) {
    const byte = bytes[start + i]!;
    const upper = byte >= 0x61 && byte <= 0x7a ? byte & CASE_MASK : byte;
    if (upper !== name[i]) return false;
  }
  return true;
}
