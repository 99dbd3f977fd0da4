/** Replies to COMMAND and its subcommands: what a client can use through this proxy. */
import type { Command } from "../../protocol/redis/command.ts";
import { CommandTable } from "../../protocol/redis/command-table.ts";
import { encodeValue, type RespVersion, type Value } from "../../protocol/redis/encode.ts";

const table: CommandTable = new CommandTable();

const usable: readonly Command[] = [...table.commands].filter(
  (command) =>
    !command.name.includes("|") && (command.isContainer || command.disposition !== "refused"),
);

const lists: (Buffer | undefined)[] = [];

export function commandCount(): number {
  return usable.length;
}

export function commandNames(): string[] {
  return usable.map((command) => command.name.toLowerCase());
}

/** The reply to COMMAND. Made at the first call; handed out again and again, so it must not be changed. */
export function commandList(version: RespVersion): Buffer {
  lists[version] ??= encodeValue(usable.map(describe), version);
  return lists[version];
}

/** The reply to COMMAND INFO; null for names that are not usable. Without names: all. */
export function commandInfo(names: readonly string[], version: RespVersion): Buffer {
  if (names.length === 0) return commandList(version);
  return Buffer.concat([
    Buffer.from(`*${names.length}\r\n`),
    ...names.map((name) => {
      const command = table.get(name.toUpperCase());
      if (command !== null) return encodeValue(describe(command), version);
      return version === 3 ? encodeValue(null, version) : NULL_ARRAY;
    }),
  ]);
}

const NULL_ARRAY: Buffer = Buffer.from("*-1\r\n");

/** Redis 7's ten fields; categories, tips, key specs and subcommands are left empty. */
function describe(command: Command): Value {
  return [
    command.name.toLowerCase(),
    command.arity,
    { setOf: command.flags.map((status) => ({ status })) },
    ...command.positions,
    ...[{ setOf: [] }, [], { setOf: [] }, { setOf: [] }],
  ];
}
