import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { InputBuffer } from "../../../../../src/base/input-buffer.ts";
import {
  MALFORMED,
  RequestScanner,
} from "../../../../../src/protocols/redis/codec/request-scanner.ts";
import { RequestView } from "../../../../../src/protocols/redis/codec/request-view.ts";

export interface Scanned {
  readonly requests: readonly (readonly string[])[];
  readonly fault: string | null;
  /** Requests as they go on to a server. */
  readonly raw: string;
}

/** Scans bytes that arrive in pieces of the given sizes, in the way that a session does. */
function scanInPieces(bytes: Buffer, sizes: readonly number[]): Scanned {
  const scanner = new RequestScanner();
  const view = new RequestView();
  const input = new InputBuffer();
  const requests: string[][] = [];
  let raw = "";
  let sent = 0;
  for (let i = 0; sent < bytes.length; i++) {
    const chunk = Buffer.from(bytes.subarray(sent, sent + sizes[i % sizes.length]!));
    sent += chunk.length;
    input.add(chunk, scanner.need, false);
    for (;;) {
      const next = scanner.scan(input.bytes, input.start, input.end, view);
      if (next === MALFORMED) return { requests, fault: scanner.fault, raw };
      if (next === 0) break;
      requests.push(Array.from({ length: view.count }, (_, arg) => view.text(arg)));
      raw += view.bytes.toString("latin1", view.start, view.end);
      input.start = next;
    }
    if (!scanner.isWithinRequest) view.release();
    input.keepRest();
  }
  return { requests, fault: null, raw };
}

function multibulk(args: readonly string[]): string {
  return `*${args.length}\r\n${args.map((arg) => `$${arg.length}\r\n${arg}\r\n`).join("")}`;
}

const argument = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.constantFrom("GET", "key", "", "\r\n", "$3\r\n", "*1\r\n", "0", "\0"),
  },
  { weight: 2, arbitrary: fc.uint8Array({ maxLength: 60 }).map(latin1) },
  { weight: 1, arbitrary: fc.integer({ min: 90, max: 70_000 }).map((size) => "v".repeat(size)) },
);
const request = fc.oneof(
  { weight: 6, arbitrary: fc.array(argument, { minLength: 1, maxLength: 6 }) },
  { weight: 1, arbitrary: fc.array(fc.constantFrom("k", "ky"), { minLength: 9, maxLength: 200 }) },
);
const sizes = fc.array(
  fc.oneof(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 100_000 })),
  { minLength: 1, maxLength: 6 },
);

/** Nearly right requests: pieces of the protocol in any order. */
const piece = fc.constantFrom(
  ..."*1\r\n|*2\r\n|*0\r\n|*-1\r\n|*01\r\n|*\r\n|*1\r|*x\r\n|$1\r\n|$3\r\n|$-1\r\n|$03\r\n|$\r\n|$0\r\n|GET|a|\r\n|\n|\r|PING\r\n|\"|'|\\x41| |:1\r\n|$99999999999\r\n|*1048577\r\n|\0".split(
    "|",
  ),
);

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("latin1");
}

describe("RequestScanner", () => {
  test("finds the same requests however they arrive, and they go on as they came", () => {
    fc.assert(
      fc.property(
        fc.array(request, { minLength: 1, maxLength: 8, size: "max" }),
        sizes,
        (requests, cuts) => {
          const text = requests.map(multibulk).join("");
          const found = scanInPieces(Buffer.from(text, "latin1"), cuts);
          expect(found).toEqual({ requests, fault: null, raw: text });
        },
      ),
      { numRuns: 300 },
    );
  });

  test("anything at all is cut the same whole and in pieces", () => {
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 14, size: "max" }), sizes, (pieces, cuts) => {
        const bytes = Buffer.from(pieces.join(""), "latin1");
        const whole = scanInPieces(Buffer.from(bytes), [Math.max(bytes.length, 1)]);
        expect(scanInPieces(bytes, cuts)).toEqual(whole);
        // What goes on to servers is sound and means the same.
        expect(scanInPieces(Buffer.from(whole.raw, "latin1"), [100_000]).requests).toEqual(
          whole.requests,
        );
      }),
      { numRuns: 1000 },
    );
  });

  test("many arguments in many chunks: each is where it was sent", () => {
    const args = ["DEL", ...Array.from({ length: 20_000 }, (_, i) => `key:${i}`)];
    const text = multibulk(args);
    for (const size of [1000, 65_536, 120_000]) {
      expect(scanInPieces(Buffer.from(text + text), [size]).requests).toEqual([args, args]);
    }
  });

  test("what stands for CR LF behind a value is put right", () => {
    const { raw } = scanInPieces(Buffer.from("*2\r\n$3\r\nGETxx$1\r\naxx*1\rX$4\rYPING\r\n"), [99]);
    expect(raw).toBe("*2\r\n$3\r\nGET\r\n$1\r\na\r\n*1\r\n$4\r\nPING\r\n");
  });

  test("an incomplete line is looked for in what was received, not in the room behind it", () => {
    const room = Buffer.alloc(1000, "\r\n");
    Buffer.from("*1\r\n$5").copy(room);
    const scanner = new RequestScanner();
    expect(scanner.scan(room, 0, 6, new RequestView())).toBe(0);
    const inline = new RequestScanner();
    expect(inline.scan(Buffer.from("PING\n\n"), 0, 4, new RequestView())).toBe(0);
  });

  test("strangers may not send much", () => {
    const faultOf = (text: string): string => {
      const scanner = new RequestScanner();
      scanner.isAuthenticated = false;
      const bytes = Buffer.from(text);
      expect(scanner.scan(bytes, 0, bytes.length, new RequestView())).toBe(MALFORMED);
      return scanner.fault;
    };
    expect(faultOf("*11\r\n")).toBe("unauthenticated multibulk length");
    expect(faultOf("*1\r\n$16385\r\n")).toBe("unauthenticated bulk length");
  });

  test("an idle client's view holds nothing", () => {
    const view = new RequestView();
    const bytes = Buffer.from(multibulk(Array.from({ length: 10_000 }, () => "a")));
    expect(new RequestScanner().scan(bytes, 0, bytes.length, view)).toBe(bytes.length);
    view.release();
    expect(view.bytes.length).toBe(0);
    expect(view.argumentStart.length).toBeLessThan(100);
  });
});
