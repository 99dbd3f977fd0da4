/** Every command that the embedded Redis knows. */
import type { CommandRow } from "./command.ts";
import { BIT_COMMANDS } from "./commands/bit-commands.ts";
import { BLOCKING_COMMANDS } from "./commands/blocking-commands.ts";
import { CONNECTION_COMMANDS } from "./commands/connection-commands.ts";
import { COUNTER_COMMANDS } from "./commands/counter-commands.ts";
import { EXPIRE_COMMANDS } from "./commands/expire-commands.ts";
import { HASH_COMMANDS } from "./commands/hash-commands.ts";
import { KEY_COMMANDS } from "./commands/key-commands.ts";
import { LIST_COMMANDS } from "./commands/list-commands.ts";
import { LIST_EDIT_COMMANDS } from "./commands/list-edit-commands.ts";
import { PUBSUB_COMMANDS } from "./commands/pubsub-commands.ts";
import { SCAN_COMMANDS } from "./commands/scan-commands.ts";
import { SERVER_COMMANDS } from "./commands/server-commands.ts";
import { SET_ALGEBRA_COMMANDS } from "./commands/set-algebra-commands.ts";
import { SET_COMMANDS } from "./commands/set-commands.ts";
import { SORTED_SET_COMMANDS } from "./commands/sorted-set-commands.ts";
import { SORTED_SET_RANGE_COMMANDS } from "./commands/sorted-set-range-commands.ts";
import { STRING_COMMANDS } from "./commands/string-commands.ts";
import { STRING_SET_COMMANDS } from "./commands/string-set-commands.ts";

import { TRANSACTION_COMMANDS } from "./transaction.ts";

/** Rows by lower-case name (`parent|child` for subcommands). */
export const COMMANDS: ReadonlyMap<string, CommandRow> = new Map(
  [
    CONNECTION_COMMANDS,
    SERVER_COMMANDS,
    KEY_COMMANDS,
    EXPIRE_COMMANDS,
    SCAN_COMMANDS,
    STRING_COMMANDS,
    STRING_SET_COMMANDS,
    COUNTER_COMMANDS,
    BIT_COMMANDS,
    BLOCKING_COMMANDS,
    PUBSUB_COMMANDS,
    TRANSACTION_COMMANDS,
    HASH_COMMANDS,
    LIST_COMMANDS,
    LIST_EDIT_COMMANDS,
    SET_COMMANDS,
    SET_ALGEBRA_COMMANDS,
    SORTED_SET_COMMANDS,
    SORTED_SET_RANGE_COMMANDS,
  ].flatMap((table) => Object.entries(table)),
);

/** Commands whose second word selects what they do. */
export const CONTAINERS: ReadonlySet<string> = new Set(
  [...COMMANDS.keys()].filter((name) => name.includes("|")).map((name) => name.split("|")[0] ?? ""),
);
