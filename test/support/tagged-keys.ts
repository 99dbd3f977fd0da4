/** Whether what the proxy takes for the keys of a request have one hash tag: a wrong request has keys in odd places. */

import { encodeRequest } from "../../src/protocols/redis/codec/encode.ts";
import { RequestScanner } from "../../src/protocols/redis/codec/request-scanner.ts";
import { RequestView } from "../../src/protocols/redis/codec/request-view.ts";
import { CommandTable } from "../../src/protocols/redis/commands/command-table.ts";
import { findKeys } from "../../src/protocols/redis/commands/find-keys.ts";

const table = new CommandTable();

export function haveOneTag(args: readonly string[]): boolean {
  const command = table.get((args[0] ?? "").toUpperCase());
  if (command === null) return true;
  const request = encodeRequest(...args.map((arg) => Buffer.from(arg, "latin1")));
  const view = new RequestView();
  new RequestScanner().scan(request, 0, request.length, view);
  const positions: number[] = [];
  findKeys(command, view, positions);
  const tags = positions.map((at) => /^\{[^}]+\}/.exec(view.text(at))?.[0] ?? "");
  return new Set(tags).size < 2 && !tags.includes("");
}
