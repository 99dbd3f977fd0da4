/** Requests in the beginning of what a client sent, for operators: which command, which key. */
import type { RequestSummary } from "../../../api/protocol-module.ts";
import { KEYS_OF_REQUEST_MAX } from "../../../base/key-limits.ts";
import { RequestScanner } from "../codec/request-scanner.ts";
import { RequestView } from "../codec/request-view.ts";
import type { CommandTable } from "../commands/command-table.ts";
import { findKeys } from "../commands/find-keys.ts";
import { createRedisFiltering } from "./filtering.ts";

const LF = 10;
const COMMAND_BYTES_MAX = 64;
// Used again for each request: of one client at a time, and nothing of them is kept.
const skipper: RequestScanner = new RequestScanner();
const skipped: RequestView = new RequestView();

/** @param length of what was sent, of which `bytes` is the beginning. @param index of the request in it; those before it are whole */
export function describeRequest(
  commands: CommandTable,
  bytes: Buffer,
  length: number,
  index: number,
): RequestSummary | null {
  let start = startOf(bytes, index);
  if (start < 0) return null;
  const reader = createRedisFiltering(commands).createReader(undefined);
  for (;;) {
    const next = reader.scan(bytes, start, bytes.length);
    if (next <= 0) return describeBeginning(commands, bytes, start, length);
    if (!reader.isRequest) {
      start = next;
      continue;
    }
    const command = reader.command.substring(0, COMMAND_BYTES_MAX);
    const keys: Buffer[] = [];
    const count = Math.min(reader.keyCount, KEYS_OF_REQUEST_MAX);
    for (let i = 0; i < count; i++) keys.push(reader.key(i));
    return { command, keys, bytes: next - start };
  }
}

/** Where the request of this place begins; -1: it is not there. Those before it need only be counted. */
function startOf(bytes: Buffer, index: number): number {
  skipper.reset();
  let start = 0;
  for (let at = 0; at < index && start >= 0; ) {
    const next = skipper.scan(bytes, start, bytes.length, skipped);
    if (skipped.count > 0) at++;
    start = next > 0 ? next : -1;
  }
  skipped.release();
  return start;
}

/** Of a request whose end is not there: most often a value is long. */
function describeBeginning(
  commands: CommandTable,
  bytes: Buffer,
  start: number,
  length: number,
): RequestSummary | null {
  const args = argumentsIn(bytes, start);
  const [name] = args;
  if (name === undefined) return null;
  // As if it ended behind the last argument that is whole.
  const request = Buffer.from(
    `*${args.length}\r\n${args.map((arg) => `$${arg.length}\r\n${arg}\r\n`).join("")}`,
    "latin1",
  );
  const view = new RequestView();
  new RequestScanner().scan(request, 0, request.length, view);
  const command = commands.find(view.bytes, view.from(0), view.to(0));
  const keys: number[] = [];
  const known = command === null || command.isContainer ? -1 : findKeys(command, view, keys);
  const key = known > 0 && keys[0]! < view.count ? view.text(keys[0]!) : null;
  return {
    command: name.toUpperCase().substring(0, COMMAND_BYTES_MAX),
    keys: key === null ? [] : [Buffer.from(key, "latin1")],
    bytes: length - start,
  };
}

/** Arguments of the array at `start` that are whole; one character per byte. */
function argumentsIn(bytes: Buffer, start: number): string[] {
  const found: string[] = [];
  let at = bytes.indexOf(LF, start) + 1;
  while (at > 0) {
    const lineEnd = bytes.indexOf(LF, at);
    const size = Number(/^\$(\d{1,9})\r/.exec(bytes.toString("latin1", at, lineEnd))?.[1] ?? -1);
    const end = lineEnd + 1 + size;
    if (lineEnd < 0 || size < 0 || end > bytes.length) break;
    found.push(bytes.toString("latin1", lineEnd + 1, end));
    at = end + 2;
  }
  return found;
}
