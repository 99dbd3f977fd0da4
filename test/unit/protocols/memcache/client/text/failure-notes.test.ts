import { expect, test } from "bun:test";
import fc from "fast-check";
import { FailureNotes } from "../../../../../../src/protocols/memcache/client/text/failure-notes.ts";

test("every open slot has the note it was given, however many are open", () => {
  const step = fc.record({
    opens: fc.nat({ max: 300 }),
    noted: fc.integer({ min: 1, max: 5 }),
    closes: fc.nat({ max: 300 }),
  });
  const property = fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
    const notes = new FailureNotes();
    const open = new Map<number, Buffer | null>();
    let next = 0x3fffff00;
    for (const { opens, noted, closes } of steps) {
      for (let i = 0; i < opens && open.size < 1024; i++) {
        const token = next++ & 0x3fffffff;
        const note = i % noted === 0 ? Buffer.from(`${token}`) : null;
        open.set(token, note);
        notes.put(token, open.size, note);
      }
      for (const [token, note] of open) expect(notes.get(token)).toBe(note);
      for (const token of [...open.keys()].filter((_, i) => i < closes)) open.delete(token);
    }
  });
  fc.assert(property, { numRuns: 100 });
});
