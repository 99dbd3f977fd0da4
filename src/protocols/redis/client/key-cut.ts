/** Takes a prefix off the keys of requests, where a route has it cut. */
import type { KeyCut } from "../../../api/key-cut.ts";
import type { Failure } from "../../../api/upstream.ts";
import { copyOf } from "../../../base/copy-of.ts";
import { RequestScanner } from "../codec/request-scanner.ts";
import { RequestView } from "../codec/request-view.ts";
import type { CommandTable } from "../commands/command-table.ts";
import { findKeys } from "../commands/find-keys.ts";
import { commandIn } from "./sent-request-reader.ts";

/** Their replies name keys, which the client would not know. */
const NAMING = /^(XREAD|XREADGROUP|LMPOP|ZMPOP)$/;
const CRLF: Buffer = Buffer.from("\r\n");
const keys: number[] = [];

export class RedisKeyCut implements KeyCut {
  private readonly commands: CommandTable;
  private readonly prefix: Buffer;
  private readonly scanner: RequestScanner = new RequestScanner();
  private readonly view: RequestView = new RequestView();

  constructor(commands: CommandTable, prefix: Buffer) {
    this.commands = commands;
    this.prefix = prefix;
    this.scanner.isAuthenticated = true;
  }

  cut(bytes: Buffer, start: number, end: number): Buffer | Failure {
    const { view } = this;
    if (this.scanner.scan(bytes, start, end, view) <= 0) {
      this.scanner.reset();
      return UNREADABLE;
    }
    const command = commandIn(this.commands, view);
    // Channels are no keys, although one of a shard is sought like one.
    const isAboutKeys = command !== null && command.disposition !== "pubsub";
    const count = isAboutKeys ? findKeys(command, view, keys) : 0;
    const made =
      count > 0 && command !== null && (NAMING.test(command.name) || hasPattern(command.name, view))
        ? UNKNOWN_NAMES
        : count > 0
          ? this.without(keys)
          : copyOf(view.bytes, view.start, view.end);
    view.release();
    return made;
  }

  /** The request at hand; arguments numbered `among` are keys. */
  private without(among: readonly number[]): Buffer | Failure {
    const { view, prefix } = this;
    const pieces: Buffer[] = [];
    let from = view.start;
    for (const key of among.toSorted((a, b) => a - b)) {
      const [at, to] = [view.from(key), view.to(key)];
      const hasPrefix =
        to - at >= prefix.length &&
        view.bytes.compare(prefix, 0, prefix.length, at, at + prefix.length) === 0;
      if (!hasPrefix) return OTHER_KEY;
      // Behind the last piece, up to the length of this argument: "$<length>CRLF" stands before it.
      const head = view.bytes.lastIndexOf("$", at - 1);
      pieces.push(
        view.bytes.subarray(from, head),
        Buffer.from(`$${to - at - prefix.length}`),
        CRLF,
        view.bytes.subarray(at + prefix.length, to),
      );
      from = to;
    }
    pieces.push(view.bytes.subarray(from, view.end));
    return Buffer.concat(pieces);
  }
}

/** SORT … BY or GET: what stands for keys there is not seen as such. */
function hasPattern(name: string, view: RequestView): boolean {
  if (!name.startsWith("SORT")) return false;
  for (let i = 2; i + 1 < view.count; i++) {
    const option = view.text(i).toUpperCase();
    if ((option === "BY" || option === "GET") && view.text(i + 1).includes("*")) return true;
  }
  return false;
}

function failureOf(text: string): Failure {
  return { kind: "handshake", wasSent: false, text, reply: Buffer.from(`-ERR ${text}\r\n`) };
}

const UNREADABLE: Failure = failureOf("the request cannot be read, so its prefix cannot be cut");
const OTHER_KEY: Failure = failureOf(
  "a key without the prefix that the route cuts stands beside one with it",
);
const UNKNOWN_NAMES: Failure = failureOf(
  "the route cuts the prefix of this key, so commands whose replies or patterns name keys cannot be used with it",
);
