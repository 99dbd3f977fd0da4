import { expect, test } from "bun:test";
import { TAPE_BYTES, TAPE_PIECE_BYTES_MAX } from "../../../src/base/limits.ts";
import { RequestTape } from "../../../src/client/request-tape.ts";
import { RequestTrace } from "../../../src/client/request-trace.ts";

test("what was put is read as long as nothing was written over it, and never anything else", () => {
  const tape = new RequestTape();
  const put: { readonly text: string; readonly position: number }[] = [];
  let gone = 0;
  for (let n = 0; n < 20_000; n++) {
    const text = `${n}:${"x".repeat(n % 900)}`;
    const bytes = Buffer.from(`__${text}__`);
    put.push({ text, position: tape.put(bytes, 2, 2 + text.length) });
    if (n % 500 !== 0) continue;
    for (const [index, { text: wanted, position }] of put.entries()) {
      const found = tape.read(position, wanted.length);
      if (found === null) gone = Math.max(gone, index + 1);
      else expect(found.toString()).toBe(wanted);
    }
    const keptBytes = put.reduce(
      (sum, one, index) => (index < gone ? sum : sum + one.text.length),
      0,
    );
    // All but a piece at the end of each round.
    if (gone > 0) expect(keptBytes).toBeGreaterThan(TAPE_BYTES - 2 * TAPE_PIECE_BYTES_MAX);
  }
  expect(gone).toBeGreaterThan(0);
});

test("of a long piece the beginning is kept", () => {
  const tape = new RequestTape();
  const bytes = Buffer.alloc(TAPE_PIECE_BYTES_MAX + 100, "a");
  const position = tape.put(bytes, 0, bytes.length);
  expect(tape.read(position, bytes.length)?.length).toBe(TAPE_PIECE_BYTES_MAX);
  expect(new RequestTape().read(0, 5)?.length ?? 0).toBe(0);
});

test("a client's requests are found by their tokens, the older ones too, and over the wrap", () => {
  const trace = new RequestTrace();
  const last = 0x3fffffff;
  trace.add(last - 1, 3, 100, 30, true);
  trace.add(1, 2, 200, 20, false);
  expect(trace.find(last)).toEqual({ position: 100, length: 30, index: 1 });
  expect(trace.find(0)).toEqual({ position: 100, length: 30, index: 2 });
  expect(trace.find(2)).toEqual({ position: 200, length: 20, index: 1 });
  expect(trace.find(3)).toBeNull();
  trace.add(3, 1, 300, 10, true);
  expect(trace.find(2)).toBeNull();
  expect(trace.find(3)).toEqual({ position: 300, length: 10, index: 0 });
});
