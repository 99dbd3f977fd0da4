/** Random scripts in Memcached's binary protocol: every opcode, loud and quiet, over few keys. */
import fc from "fast-check";
import {
  type BinaryRequest,
  deltaExtras,
  encodeRequest,
  storageExtras,
  timeExtras,
} from "./binary-client.ts";

const KEYS: readonly string[] = [
  ..."abcdefgh",
  "with space",
  "line\r\nbreak",
  "\x00\x80\xff",
  "k".repeat(250),
];

const key = fc.constantFrom(...KEYS);
const value = fc.oneof(
  fc.constantFrom("0", "1", "9", "42", "18446744073709551616", "text", "12x"),
  // INCR of nothing, or of nothing but blanks, reads beyond the value in memcached, whatever lies there.
  fc
    .string({ unit: fc.nat({ max: 255 }).map((code) => String.fromCharCode(code)), maxLength: 40 })
    .filter((text) => text.trim() !== ""),
  fc.integer({ min: 1, max: 5000 }).map((length) => "v".repeat(length)),
);
/** None comes near 2^63: in numbers that large memcached looks for a minus sign, and on behind the value until a NUL. */
const number = fc.constantFrom(0n, 1n, 7n, 2n ** 40n, 2n ** 50n);
const noise = {
  opaque: fc.nat({ max: 0xfffffffe }),
  vbucket: fc.nat({ max: 0xffff }),
  dataType: fc.nat({ max: 255 }),
  cas: fc.constantFrom(0n, 0n, 0n, 0n, 1n << 60n),
};

const storage = fc.record({
  ...noise,
  opcode: fc.constantFrom(0x01, 0x02, 0x03, 0x11, 0x12, 0x13),
  key,
  value,
  extras: fc
    .tuple(fc.nat({ max: 0xffffffff }), fc.constantFrom(0, 0, 0, 100_000))
    .map(([flags, time]) => storageExtras(flags, time)),
});
const concatenation = fc.record({
  ...noise,
  opcode: fc.constantFrom(0x0e, 0x0f, 0x19, 0x1a),
  key,
  value,
});
const read = fc.record({
  ...noise,
  opcode: fc.constantFrom(0x00, 0x09, 0x0c, 0x0d),
  key,
});
const removal = fc.record({ ...noise, opcode: fc.constantFrom(0x04, 0x14), key });
const touch = fc.record({
  ...noise,
  opcode: fc.constantFrom(0x1c, 0x1d, 0x1e, 0x23, 0x24),
  key,
  extras: fc.constantFrom(0, 100_000).map(timeExtras),
});
const arithmetic = fc.record({
  ...noise,
  opcode: fc.constantFrom(0x05, 0x06, 0x15, 0x16),
  key,
  extras: fc
    .tuple(number, number, fc.constantFrom(0, 100_000, 0xffffffff))
    .map(([delta, initial, time]) => deltaExtras(delta, initial, time)),
});
const keyless = fc.record({ ...noise, opcode: fc.constantFrom(0x0a, 0x0b) });
const flush = fc.record({
  ...noise,
  opcode: fc.constantFrom(0x08, 0x18),
  extras: fc.constantFrom(Buffer.alloc(0), timeExtras(0)),
});
const statistics = fc.record({
  ...noise,
  opcode: fc.constant(0x10),
  key: fc.constantFrom("reset", "detail off", "nonsense", "\xff"),
});
/** memcached loses its way behind an unknown opcode with extras or a key, so there is none. */
const unknown = fc.record({
  ...noise,
  opcode: fc.constantFrom(0x1b, 0x1f, 0x25, 0x30, 0x7f, 0x80, 0xff),
  value,
});
const sasl = fc.record({
  ...noise,
  opcode: fc.constantFrom(0x21, 0x22),
  key: fc.constantFrom("PLAIN", "X"),
  value: fc.constantFrom("", "\0user\0password"),
});
const saslList = fc.record({ ...noise, opcode: fc.constant(0x20) });

/** A series of quiet gets as libraries send them. */
const series = fc
  .array(fc.tuple(fc.constantFrom(0x09, 0x0d, 0x1e, 0x24), key, fc.nat({ max: 0xfffffffe })), {
    minLength: 2,
    maxLength: 40,
  })
  .map((gets) =>
    gets.map(([opcode, name, opaque]): BinaryRequest => {
      const extras = opcode >= 0x1e ? timeExtras(0) : Buffer.alloc(0);
      return { opcode, key: name, opaque, extras };
    }),
  );

const one = fc
  .oneof(
    { arbitrary: storage, weight: 6 },
    { arbitrary: read, weight: 6 },
    { arbitrary: concatenation, weight: 2 },
    { arbitrary: removal, weight: 2 },
    { arbitrary: touch, weight: 2 },
    { arbitrary: arithmetic, weight: 3 },
    { arbitrary: keyless, weight: 1 },
    { arbitrary: flush, weight: 1 },
    { arbitrary: statistics, weight: 1 },
    { arbitrary: unknown, weight: 1 },
    { arbitrary: sasl, weight: 1 },
    { arbitrary: saslList, weight: 1 },
  )
  .map((request): BinaryRequest[] => [request]);

/** Requests after which the connection goes on. */
export const anyScript: fc.Arbitrary<readonly BinaryRequest[]> = fc
  .array(fc.oneof({ arbitrary: one, weight: 9 }, { arbitrary: series, weight: 1 }), {
    minLength: 1,
    maxLength: 30,
  })
  .map((parts) => parts.flat());

/** STAT, TOUCH and GAT: memcached takes a value that they should not have for the next request. */
const VALUE_MISREAD: readonly number[] = [0x10, 0x1c, 0x1d, 0x1e, 0x23, 0x24];
const KNOWN: readonly number[] = Array.from({ length: 0x25 }, (_, opcode) => opcode).filter(
  (opcode) => opcode !== 0x1b && opcode !== 0x1f,
);

/** A header with lengths that fit each other in no particular way, and the body that it announces. */
const malformed = fc
  .record({
    opcode: fc.constantFrom(...KNOWN),
    keyLength: fc.constantFrom(0, 1, 3, 250, 251, 300),
    extrasLength: fc.constantFrom(0, 1, 4, 8, 19, 20, 21, 255),
    valueLength: fc.constantFrom(-1000, -1, 0, 0, 0, 1, 100),
    opaque: fc.nat({ max: 0xfffffffe }),
  })
  .filter(({ opcode, valueLength }) => valueLength <= 0 || !VALUE_MISREAD.includes(opcode))
  // That would be well-formed, and every server's statistics are its own.
  .filter(({ opcode, keyLength, extrasLength }) => opcode !== 0x10 || keyLength + extrasLength > 0)
  .map(({ opcode, keyLength, extrasLength, valueLength, opaque }) => {
    const bodyLength = Math.max(0, keyLength + extrasLength + valueLength);
    const value = "x".repeat(Math.max(bodyLength, keyLength + extrasLength));
    return encodeRequest({ opcode, keyLength, extrasLength, bodyLength, opaque, value });
  });

const quit = fc
  .record({ opcode: fc.constantFrom(0x07, 0x17), opaque: fc.nat({ max: 0xfffffffe }) })
  .map(encodeRequest);

/** What a script may end with: it may end the connection. */
export const anyEnd: fc.Arbitrary<Buffer> = fc.oneof(
  { arbitrary: malformed, weight: 5 },
  { arbitrary: quit, weight: 1 },
);
