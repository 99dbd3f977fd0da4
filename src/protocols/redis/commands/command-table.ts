/** Finds a command by its name in received bytes, in any case, without making a string. Each pool has its own table. */
import { type Command, type CommandPolicy, DEFAULT_POLICY, decide } from "./command.ts";
import { type CommandFacts, STANDARD_COMMANDS } from "./command-facts.ts";

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

export class CommandTable {
  private policy: CommandPolicy;
  private readonly slots: (Entry | null)[] = new Array(TABLE_SIZE).fill(null);
  private readonly byName: Map<string, Command> = new Map();

  constructor(policy: CommandPolicy = DEFAULT_POLICY) {
    this.policy = policy;
    this.add(STANDARD_COMMANDS);
  }

  /** Another policy holds: what is done with each command is decided anew. */
  follow(policy: CommandPolicy): void {
    const known = [...this.byName.values()];
    this.policy = policy;
    this.byName.clear();
    this.slots.fill(null);
    this.add(known);
  }

  /** The configuration denies the command of this name, in upper case, whether it is known or not. */
  denies(name: string): boolean {
    return this.policy.denied.has(name);
  }

  /** All commands that are known, subcommands included. */
  get commands(): Iterable<Command> {
    return this.byName.values();
  }

  /** By name in upper case. */
  get(name: string): Command | null {
    return this.byName.get(name) ?? null;
  }

  /** Learns commands; what is known already stays as it is. */
  add(commands: readonly CommandFacts[]): void {
    for (const facts of commands) {
      if (this.byName.has(facts.name)) continue;
      const command = decide(facts, this.policy);
      this.byName.set(command.name, command);
      const name = Buffer.from(command.name, "latin1");
      const slot = slotOf(name, 0, name.length);
      this.slots[slot] = { name, command, next: this.slots[slot] ?? null };
    }
  }

  /** The command named by bytes[start, end), or null. A subcommand is found by "CONTAINER|SUBCOMMAND". */
  find(bytes: Buffer, start: number, end: number): Command | null {
    if (end - start > 2 * NAME_BYTES_MAX) return null;
    let entry = this.slots[slotOf(bytes, start, end)] ?? null;
    while (entry !== null) {
      if (isName(entry.name, bytes, start, end)) return entry.command;
      entry = entry.next;
    }
    return null;
  }

  /** The subcommand of `container` named by bytes[start, end), or null. */
  findSubcommand(container: Command, bytes: Buffer, start: number, end: number): Command | null {
    if (end - start > NAME_BYTES_MAX) return null;
    const prefix = joined.write(container.name, 0, "latin1");
    joined[prefix] = BAR;
    const length = prefix + 1 + bytes.copy(joined, prefix + 1, start, end);
    return this.find(joined, 0, length);
  }
}

const joined: Buffer = Buffer.alloc(2 * NAME_BYTES_MAX + 1);

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
