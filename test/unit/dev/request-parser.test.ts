import { expect, test } from "bun:test";
import fc from "fast-check";
import { ProtocolError, RequestParser } from "../../../src/dev/redis/request-parser.ts";

const word = fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes).toString("latin1"));
const request = fc.array(word, { minLength: 1, maxLength: 5 });

function encode(args: readonly string[]): string {
  return `*${args.length}\r\n${args.map((arg) => `$${arg.length}\r\n${arg}\r\n`).join("")}`;
}

/** Feeds the bytes cut at the given places; drains the parser after each piece, or only at the end. */
function parse(bytes: Buffer, cuts: readonly number[], drainsEach: boolean): string[][] {
  const parser = new RequestParser();
  const requests: string[][] = [];
  const drain = () => {
    for (let args = parser.next(); args !== null; args = parser.next()) requests.push(args);
  };
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort(
    (a, b) => a - b,
  );
  for (const [index, start] of places.entries()) {
    parser.push(bytes.subarray(start, places[index + 1] ?? bytes.length));
    if (drainsEach) drain();
  }
  drain();
  expect(parser.pendingBytes).toBe(0);
  return requests;
}

test("requests come out as they went in, however the bytes are cut", () => {
  const input = fc.record({
    requests: fc.array(request, { maxLength: 6 }),
    cuts: fc.array(fc.nat(), { maxLength: 12 }),
    drainsEach: fc.boolean(),
  });
  const run = fc.property(input, ({ requests, cuts, drainsEach }) => {
    const bytes = Buffer.from(requests.map(encode).join(""), "latin1");
    expect(parse(bytes, cuts, drainsEach)).toEqual(requests);
  });
  fc.assert(run, { numRuns: 500 });
});

test.each(["*1\r\n$4\r\nPING\r\n", "PING\r\n", '*2\r\n$3\r\nGET\r\n$0\r\n\r\nSET a "b c"\r\n'])(
  "cut after every byte: %j",
  (text) => {
    const bytes = Buffer.from(text, "latin1");
    const everywhere = Array.from(bytes, (_, index) => index);
    expect(parse(bytes, everywhere, true)).toEqual(parse(bytes, [], true));
  },
);

test("garbage is refused or waits, and nothing else happens", () => {
  const run = fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
    const parser = new RequestParser();
    parser.push(Buffer.from(bytes));
    try {
      for (let args = parser.next(); args !== null; args = parser.next()) {
        expect(args.length).toBeGreaterThan(0);
      }
    } catch (error) {
      expect(error).toBeInstanceOf(ProtocolError);
    }
  });
  fc.assert(run, { numRuns: 2000 });
});
