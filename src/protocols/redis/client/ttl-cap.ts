/** What Redis commands write into a gutter gets its time to live by an EXPIRE behind each: commands that can say it themselves are few. */
import { ACCESS } from "../../../api/request-facts.ts";
import type { CappedRequest, TtlCap } from "../../../api/ttl-cap.ts";
import { copyOf } from "../../../base/copy-of.ts";
import { encodeRequest } from "../codec/encode.ts";
import { RequestScanner } from "../codec/request-scanner.ts";
import { RequestView } from "../codec/request-view.ts";
import type { CommandTable } from "../commands/command-table.ts";
import { findKeys } from "../commands/find-keys.ts";

const keys: number[] = [];

export class RedisTtlCap implements TtlCap {
  private readonly commands: CommandTable;
  private readonly seconds: string;
  private readonly scanner: RequestScanner = new RequestScanner();
  private readonly view: RequestView = new RequestView();

  constructor(commands: CommandTable, seconds: number) {
    this.commands = commands;
    this.seconds = `${seconds}`;
    this.scanner.isAuthenticated = true;
  }

  cap(request: Buffer): CappedRequest {
    const { view, seconds } = this;
    if (this.scanner.scan(request, 0, request.length, view) <= 0) {
      this.scanner.reset();
      return { request, follow: null };
    }
    const command = this.commands.find(view.bytes, view.from(0), view.to(0));
    const writes = command !== null && command.access === ACCESS.write;
    const count = writes ? findKeys(command, view, keys) : 0;
    const each: Buffer[] = [];
    for (let i = 0; i < count; i++) {
      const key = copyOf(view.bytes, view.from(keys[i]!), view.to(keys[i]!));
      // "LT": what lasts less long already stays as it is. Without a time to live a key counts as lasting for ever.
      each.push(encodeRequest("EXPIRE", key, seconds, "LT"));
    }
    view.release();
    return { request, follow: count > 0 ? { bytes: Buffer.concat(each), count } : null };
  }
}
