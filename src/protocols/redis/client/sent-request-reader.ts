/** Reads requests as they are sent to servers, see RequestReader. */
import { ACCESS, type Access } from "../../../api/request-facts.ts";
import type { RequestReader } from "../../../api/request-reader.ts";
import { RequestScanner } from "../codec/request-scanner.ts";
import { RequestView } from "../codec/request-view.ts";
import type { Command } from "../commands/command.ts";
import type { CommandTable } from "../commands/command-table.ts";
import { findKeys } from "../commands/find-keys.ts";

const keys: number[] = [];

export class SentRequestReader implements RequestReader {
  access: Access = ACCESS.write;
  keyStart = 0;
  keyEnd = 0;
  private readonly commands: CommandTable;
  private readonly scanner: RequestScanner = new RequestScanner();
  private readonly view: RequestView = new RequestView();

  constructor(commands: CommandTable) {
    this.commands = commands;
    this.scanner.isAuthenticated = true;
  }

  read(bytes: Buffer, start: number, end: number): number {
    const { view } = this;
    const next = this.scanner.scan(bytes, start, end, view);
    if (next <= start) {
      this.scanner.reset();
      view.release();
      return start;
    }
    const command = commandIn(this.commands, view);
    // What is not known may do anything.
    this.access = command?.access ?? ACCESS.write;
    const hasKey = command !== null && findKeys(command, view, keys) > 0;
    this.keyStart = hasKey ? view.from(keys[0]!) : start;
    this.keyEnd = hasKey ? view.to(keys[0]!) : start;
    view.release();
    return next;
  }
}

/** Null: it is not known. */
export function commandIn(commands: CommandTable, view: RequestView): Command | null {
  if (view.count === 0) return null;
  const command = commands.find(view.bytes, view.from(0), view.to(0));
  if (command === null || !command.isContainer || view.count < 2) return command;
  return commands.findSubcommand(command, view.bytes, view.from(1), view.to(1));
}
