/** Reads requests that were sent already, as far as it must be known what they are to be sent again. */
import type { Route, Upstream } from "../../../api/upstream.ts";
import { RequestScanner } from "../codec/request-scanner.ts";
import { RequestView } from "../codec/request-view.ts";
import type { Command } from "../commands/command.ts";
import type { CommandTable } from "../commands/command-table.ts";
import { findKeys } from "../commands/find-keys.ts";

/** One request is bytes[start, end). */
export interface Place {
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
}

const keys: number[] = [];

export class RequestReader {
  private readonly commands: CommandTable;
  private readonly scanner: RequestScanner = new RequestScanner();
  private readonly view: RequestView = new RequestView();

  constructor(commands: CommandTable) {
    this.commands = commands;
  }

  /** Request number `index` of those in bytes[start, end); null: they do not scan. */
  find({ bytes, start, end, index }: Place & { readonly index: number }): Place | null {
    let at = start;
    for (let i = 0; ; i++) {
      const next = this.scanner.scan(bytes, at, end, this.view);
      if (next <= 0) {
        this.scanner.reset();
        this.view.release();
        return null;
      }
      if (i === index) {
        this.view.release();
        return { bytes, start: at, end: next };
      }
      at = next;
    }
  }

  /** Shows `look` the request and its command, borrowed, if that is known. */
  look({ bytes, start, end }: Place, look: (command: Command, view: RequestView) => void): void {
    this.scanner.scan(bytes, start, end, this.view);
    const command = this.commandIn(this.view);
    if (command !== null) look(command, this.view);
    this.view.release();
  }

  /** Null: it is not known. */
  commandOf({ bytes, start, end }: Place): Command | null {
    this.scanner.scan(bytes, start, end, this.view);
    const command = this.commandIn(this.view);
    this.view.release();
    return command;
  }

  /** The server that has its keys; null: it has none, or no server does. */
  pick({ bytes, start, end }: Place, route: Route): Upstream | null {
    const { view } = this;
    this.scanner.scan(bytes, start, end, view);
    const command = this.commandIn(view);
    const hasKey = command !== null && findKeys(command, view, keys) > 0;
    const upstream = hasKey ? route.pick(view.key(keys[0]!)) : null;
    view.release();
    return upstream;
  }

  private commandIn(view: RequestView): Command | null {
    if (view.count === 0) return null;
    const command = this.commands.find(view.bytes, view.from(0), view.to(0));
    if (command === null || !command.isContainer || view.count < 2) return command;
    return this.commands.findSubcommand(command, view.bytes, view.from(1), view.to(1));
  }
}
