import { test } from "bun:test";
import fc from "fast-check";
import { TOKEN_MASK } from "../../../../../../src/api/client-port.ts";
import { PENDING_REPLIES_MAX } from "../../../../../../src/base/limits.ts";
import { RequestNotes } from "../../../../../../src/protocols/memcache/client/binary/request-notes.ts";

test("every open request's note is found, however many there are and where numbers wrap", () => {
  const steps = fc.array(
    fc.record({ opened: fc.nat({ max: 300 }), settled: fc.nat({ max: 300 }) }),
    { maxLength: 20 },
  );
  fc.assert(
    fc.property(fc.constantFrom(0, 5, TOKEN_MASK - 20, TOKEN_MASK - 500), steps, (start, all) => {
      const notes = new RequestNotes();
      let head = start;
      let pending = 0;
      for (const { opened, settled } of all) {
        for (let i = 0; i < opened && pending < PENDING_REPLIES_MAX; i++) {
          const token = (head + pending) & TOKEN_MASK;
          pending++;
          notes.put(token, pending, token % 251, token * 4);
        }
        for (let i = 0; i < pending; i++) {
          const token = (head + i) & TOKEN_MASK;
          if (notes.opcode(token) !== token % 251) return false;
          if (notes.opaque(token) !== (token * 4) % 2 ** 32) return false;
        }
        const gone = Math.min(settled, pending);
        head = (head + gone) & TOKEN_MASK;
        pending -= gone;
      }
      return true;
    }),
  );
});
