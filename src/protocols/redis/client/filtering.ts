/** Requests of Redis clients as filters see them. */

import type { Filtering, RequestReader } from "../../../api/filter.ts";
import { ACCESS } from "../../../api/request-facts.ts";
import { FIRST_KIND } from "../../../api/upstream.ts";
import { encodeError, encodeRequest } from "../codec/encode.ts";
import { RedisReplyScanner } from "../codec/reply-scanner.ts";
import { RequestScanner } from "../codec/request-scanner.ts";
import { RequestView } from "../codec/request-view.ts";
import type { Command } from "../commands/command.ts";
import type { CommandTable } from "../commands/command-table.ts";
import { findKeys } from "../commands/find-keys.ts";

const MINUS = 0x2d;
const PUSH = 0x3e;

export function createRedisFiltering(commands: CommandTable): Filtering {
  return {
    createReader: () => new RedisRequestReader(commands),
    encode: (args) =>
      encodeRequest(...args.map((arg) => (typeof arg === "string" ? arg : Buffer.from(arg)))),
    variant: FIRST_KIND,
    isError: (bytes, start, end) => end > start && bytes[start] === MINUS,
  };
}

class RedisRequestReader implements RequestReader {
  readonly isUnreadable: boolean = false;
  command = "";
  isWrite = false;
  keyCount = 0;
  readonly #commands: CommandTable;
  readonly #scanner: RequestScanner = new RequestScanner();
  readonly #view: RequestView = new RequestView();
  /** Argument indexes. */
  readonly #keys: number[] = [];

  constructor(commands: CommandTable) {
    this.#commands = commands;
  }

  scan(bytes: Buffer, start: number, end: number): number {
    const next = this.#scanner.scan(bytes, start, end, this.#view);
    if (next > 0 && this.#view.count > 0) this.#understand();
    return next;
  }

  get isRequest(): boolean {
    return this.#view.count > 0;
  }

  get bytes(): Buffer {
    return this.#view.bytes;
  }

  get count(): number {
    return this.#view.count;
  }

  from(i: number): number {
    return this.#view.from(i);
  }

  to(i: number): number {
    return this.#view.to(i);
  }

  key(i: number): Buffer {
    const at = this.#keys[i]!;
    return this.#view.bytes.subarray(this.#view.from(at), this.#view.to(at));
  }

  refusal(text: string): Buffer {
    return encodeError(text);
  }

  isReply(bytes: Buffer): boolean {
    // A push is no reply: its client would go on waiting.
    if (bytes.length === 0 || bytes[0] === PUSH) return false;
    return new RedisReplyScanner(3).scan(bytes, 0, bytes.length) === bytes.length;
  }

  #understand(): void {
    const view = this.#view;
    const command = this.#find();
    this.keyCount = -1;
    this.isWrite = command === null || mayWrite(command);
    this.command = command === null ? view.text(0).toUpperCase() : command.name.replace("|", " ");
    if (command === null) return;
    const { arity } = command;
    // Its frontend refuses it.
    const isIncomplete = arity > 0 ? view.count !== arity : view.count < -arity;
    this.keyCount = isIncomplete ? 0 : findKeys(command, view, this.#keys);
  }

  #find(): Command | null {
    const view = this.#view;
    const command = this.#commands.find(view.bytes, view.from(0), view.to(0));
    if (command === null || command.isSubcommand) return null;
    if (!command.isContainer || view.count < 2) return command;
    return this.#commands.findSubcommand(command, view.bytes, view.from(1), view.to(1));
  }
}

/** Scripts may, unless they are called in a form that cannot. */
function mayWrite({ flags, disposition, access }: Command): boolean {
  return flags.includes("write") || (disposition === "script" && access === ACCESS.write);
}
