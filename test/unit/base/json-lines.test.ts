import { expect, test } from "bun:test";
import fc from "fast-check";
import { encodeJsonLine, JsonLineDecoder } from "../../../src/base/json-lines.ts";

test("values survive any cut of the stream", () => {
  fc.assert(
    fc.property(
      fc.array(fc.jsonValue(), { maxLength: 8 }),
      fc.array(fc.nat({ max: 200 }), { maxLength: 20 }),
      (values, cuts) => {
        const bytes = Buffer.concat(values.map(encodeJsonLine));
        const decoder = new JsonLineDecoder();
        const received: unknown[] = [];
        let start = 0;
        for (const cut of [...cuts].sort((a, b) => a - b)) {
          const end = Math.min(Math.max(cut, start), bytes.length);
          received.push(...decoder.push(bytes.subarray(start, end)));
          start = end;
        }
        received.push(...decoder.push(bytes.subarray(start)));
        expect(JSON.stringify(received)).toBe(JSON.stringify(values));
      },
    ),
  );
});

test("a line that is not JSON throws", () => {
  expect(() => new JsonLineDecoder().push(Buffer.from("{oops\n"))).toThrow(SyntaxError);
});

test("a line without end throws at its limit", () => {
  const decoder = new JsonLineDecoder();
  const chunk = Buffer.alloc(16 * 1024 * 1024, "a");
  for (let count = 0; count < 4; count += 1) decoder.push(chunk);
  expect(() => decoder.push(chunk)).toThrow("too long");
});
