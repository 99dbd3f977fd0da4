import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { INCOMPLETE } from "../../../../../src/api/protocol.ts";
import {
  LINE_ENDLESS,
  TextRequestScanner,
} from "../../../../../src/protocols/memcache/codec/text/request-scanner.ts";
import { TextRequest } from "../../../../../src/protocols/memcache/codec/text/text-request.ts";
import { anyTextRequest } from "../../../../support/random-text.ts";

/** What would be sent to a server for the request, or what is answered without one. */
function outcome(request: TextRequest): string {
  const { bytes, start, end, lineEnd, line, cutFrom, cutTo, answer, isQuiet } = request;
  const quiet = isQuiet ? "(quiet) " : "";
  if (answer !== null) return `${quiet}answer ${answer.toString("latin1")}`;
  const text = (from: number, to: number): string => bytes.toString("latin1", from, to);
  if (line !== null) return `${quiet}${line.toString("latin1")}${text(lineEnd, end)}`;
  if (cutTo > 0) return `${quiet}${text(start, cutFrom)}${text(cutTo, end)}`;
  return `${quiet}${text(start, end)}`;
}

function scanAll(text: string, cuts: readonly number[]): string[] {
  const bytes = Buffer.from(text, "latin1");
  const scanner = new TextRequestScanner();
  const request = new TextRequest();
  const found: string[] = [];
  let start = 0;
  const ends = [...new Set([...cuts.map((at) => Math.min(at, bytes.length)), bytes.length])];
  for (const end of ends.sort((a, b) => a - b)) {
    for (;;) {
      const received = Buffer.alloc(bytes.length + 1, "\n");
      bytes.copy(received, 0, 0, end);
      const next = scanner.scan(received, start, end, request);
      if (next === INCOMPLETE) break;
      if (next < 0) return [...found, "endless"];
      found.push(outcome(request));
      start = next;
    }
  }
  return start === bytes.length ? found : [...found, `rest ${bytes.length - start}`];
}

describe("text requests", () => {
  test("are the same however the bytes are cut", () => {
    const property = fc.property(
      fc.array(anyTextRequest, { minLength: 1, maxLength: 5 }),
      fc.array(fc.nat({ max: 1000 }), { maxLength: 10 }),
      (requests, cuts) => {
        const text = requests.join("");
        expect(scanAll(text, cuts)).toEqual(scanAll(text, []));
      },
    );
    fc.assert(property, { numRuns: 300 });
  });

  test("what goes to a server is one line that memcached takes, and its data", () => {
    const property = fc.property(
      fc.array(anyTextRequest, { minLength: 1, maxLength: 5 }),
      (requests) => {
        for (const sent of scanAll(requests.join(""), [])) {
          if (/^(\(quiet\) )?answer |^rest /.test(sent)) continue;
          const request = sent.replace(/^\(quiet\) /, "");
          expect(request).not.toMatch(/^[^\n]* noreply\r?\n/);
          expect(request).not.toMatch(/^m[gsda] [^\n]* q[^\n]*\r?\n/);
          // Read again it is itself, and it is one request.
          const [again, ...rest] = scanAll(request, []);
          expect(rest).toEqual([]);
          expect(again).toBe(request);
        }
      },
    );
    fc.assert(property, { numRuns: 500 });
  });

  const ok = (size: number): string => "d".repeat(size);
  test.each([
    ["set k 0 0 4294967297\r\nv\r\n", ["set k 0 0 1\r\nv\r\n"]],
    ["set k +5\t 0 01 x\r\nv\r\n", ["set k 5 0 1\r\nv\r\n"]],
    ["set k 0 0 1 noreply\r\nv\r\n", ["(quiet) set k 0 0 1\r\nv\r\n"]],
    ["set  k 0 0 1 noreply\nv\r\n", ["(quiet) set k 0 0 1\r\nv\r\n"]],
    ["cas k 0 -1 1 5 noreply\r\nv\r\n", ["(quiet) cas k 0 -1 1 5\r\nv\r\n"]],
    [`set k 0 0 2000\r\n${ok(2000)}\r\n`, [`set k 0 0 2000\r\n${ok(2000)}\r\n`]],
    ["set k 0 0 1\r\nvvv\r\n", ["answer CLIENT_ERROR bad data chunk\r\n", "answer ERROR\r\n"]],
    ["set k 0 0 1 noreply\r\nvvv\r\n", ["(quiet) answer ", "answer ERROR\r\n"]],
    ["delete k 0 noreply\r\n", ["(quiet) delete k\r\n"]],
    ["incr k +1 x\r\n", ["incr k 1\r\n"]],
    ["touch k 4294967296\r\n", ["touch k 0\r\n"]],
    ["flush_all  10 noreply\r\n", ["(quiet) flush_all 10\r\n"]],
    ["mg k v q Oa\r\n", ["(quiet) mg k v Oa\r\n"]],
    ["mg k q\r\n", ["(quiet) mg k\r\n"]],
    ["ms  k +1 q T0\r\nv\r\n", ["(quiet) ms k 1 T0\r\nv\r\n"]],
    ["ms k 1 qq Tx\r\nv\r\n", ["(quiet) answer CLIENT_ERROR bad token in command line format\r\n"]],
    ["get a\0b c\r\n", ["get a\r\n"]],
    ["gat 05 a\n", ["gat 5 a\r\n"]],
    ["gat  +5\t a   b\r\n", ["gat 5 a b\r\n"]],
    ["mn\r\n", ["answer MN\r\n"]],
  ])("%j", (text, wanted) => {
    expect(scanAll(text, [])).toEqual(wanted);
  });

  test("lines without end are given up, those with many keys much later", () => {
    const scan = (text: string): number =>
      new TextRequestScanner().scan(Buffer.from(text), 0, text.length, new TextRequest());
    expect(scan("a".repeat(16_384))).toBe(INCOMPLETE);
    expect(scan("a".repeat(16_385))).toBe(LINE_ENDLESS);
    for (const name of ["get", "gets", "gat", "gats"]) {
      expect(scan(`  ${name} ${"a ".repeat(100_000)}`)).toBe(INCOMPLETE);
    }
    expect(scan(`getx ${"a ".repeat(100_000)}`)).toBe(LINE_ENDLESS);
  });

  test("a size beyond any item is known at once", () => {
    const text = "set k 0 0 2147483645\r\n";
    const request = new TextRequest();
    const scanner = new TextRequestScanner();
    expect(scanner.scan(Buffer.from(text), 0, text.length, request)).toBe(text.length);
    expect(request.skip).toBe(2147483647);
    expect(`${request.answer}`).toBe("SERVER_ERROR object too large for cache\r\n");
  });
});
