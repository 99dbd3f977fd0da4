/** Requests in the beginning of what a client sent, for operators: which command, which key. */
import type { RequestSummary } from "../../../api/protocol-module.ts";
import { KEYS_OF_REQUEST_MAX } from "../../../base/key-limits.ts";
import {
  AT_BODY_LENGTH,
  AT_EXTRAS_LENGTH,
  AT_KEY_LENGTH,
  AT_OPCODE,
  HEADER_BYTES,
  OPCODE,
  REQUEST_MAGIC,
} from "../codec/binary/opcode.ts";
import { TextRequestScanner } from "../codec/text/request-scanner.ts";
import { TextRequest } from "../codec/text/text-request.ts";

const LF = 10;
const COMMAND_BYTES_MAX = 64;
const OPCODE_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(OPCODE).map(([name, code]) => [code, name]),
);

/** @param length of what was sent, of which `bytes` is the beginning. @param index of the request in it; those before it are whole */
export function describeRequest(
  bytes: Buffer,
  length: number,
  index: number,
): RequestSummary | null {
  return bytes[0] === REQUEST_MAGIC
    ? describeBinary(bytes, index)
    : describeText(bytes, length, index);
}

function describeText(bytes: Buffer, length: number, index: number): RequestSummary | null {
  const scanner = new TextRequestScanner();
  const request = new TextRequest();
  let start = 0;
  for (let at = 0; ; at++) {
    const next = scanner.scan(bytes, start, bytes.length, request);
    if (at === index) {
      const lineEnd = bytes.indexOf(LF, start);
      if (lineEnd < 0 && next <= 0) return null;
      const line = bytes.toString("latin1", start, lineEnd < 0 ? bytes.length : lineEnd).trim();
      const [command = "", ...words] = line.split(/ +/);
      return {
        command: command.substring(0, COMMAND_BYTES_MAX),
        keys: keysIn(command, words).map((key) => Buffer.from(key, "latin1")),
        bytes: (next > 0 ? next : length) - start,
      };
    }
    if (next <= 0) return null;
    start = next;
  }
}

function keysIn(command: string, words: readonly string[]): readonly string[] {
  const from = command.startsWith("gat") ? 1 : 0;
  const many = MANY_KEYS.has(command) ? KEYS_OF_REQUEST_MAX : 1;
  return WITHOUT_KEY.has(command) ? [] : words.filter((_, i) => i >= from && i < from + many);
}

const MANY_KEYS: ReadonlySet<string> = new Set(["get", "gets", "gat", "gats"]);
const WITHOUT_KEY: ReadonlySet<string> = new Set(
  "stats flush_all version verbosity quit mn cache_memlimit".split(" "),
);

function describeBinary(bytes: Buffer, index: number): RequestSummary | null {
  let start = 0;
  for (let at = 0; start + HEADER_BYTES <= bytes.length; at++) {
    const size = HEADER_BYTES + bytes.readUInt32BE(start + AT_BODY_LENGTH);
    if (at < index) {
      start += size;
      continue;
    }
    const keyFrom = start + HEADER_BYTES + bytes[start + AT_EXTRAS_LENGTH]!;
    const keyTo = keyFrom + bytes.readUInt16BE(start + AT_KEY_LENGTH);
    const opcode = bytes[start + AT_OPCODE]!;
    const hasKey = keyTo > keyFrom && opcode !== OPCODE.stat;
    return {
      command: OPCODE_NAMES.get(opcode) ?? `opcode ${opcode}`,
      keys: hasKey && keyTo <= bytes.length ? [bytes.subarray(keyFrom, keyTo)] : [],
      bytes: size,
    };
  }
  return null;
}
