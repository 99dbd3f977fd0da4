/** Random requests of memcached's binary protocol, good and bad. */
import fc from "fast-check";
import type { RandomRequest } from "./random-text.ts";

const LOOK_UPS = [0x00, 0x09, 0x0c, 0x0d, 0x04, 0x14];
const TOUCHES = [0x1c, 0x1d, 0x1e, 0x23, 0x24];
const STORES = [0x01, 0x02, 0x03, 0x11, 0x12, 0x13];
const JOINS = [0x0e, 0x0f, 0x19, 0x1a];
const DELTAS = [0x05, 0x06, 0x15, 0x16];
const KEYLESS = [0x0a, 0x0b, 0x08, 0x18];
const SASL = [0x21, 0x22];
const UNKNOWN = [0x1b, 0x20, 0x30, 0x70, 0xff];

interface Parts {
  readonly opcode: number;
  readonly extras: string;
  readonly key: string;
  readonly value: string;
  /** Null: any. */
  readonly casOffset: number | null;
  readonly opaque: number;
}

const key = fc.constantFrom("a", "b", "c", "k".repeat(250), "\xff\0\r\n");
// Of blanks alone memcached reads on into the memory behind them.
const text = fc.string().map((part) => `v${part}`);
const value = fc.oneof(fc.constantFrom("", "1", "x", "18446744073709551615", "9 "), text);
const casOffset = fc.option(fc.nat(10), { freq: 6 });
const opaque = fc.nat(0x7fff_ffff);
// No moment that two clocks could see differently.
const exptime = fc.constantFrom(0, 0, 0, 0xffff_ffff, 2_000_000);
const amount = fc.constantFrom(0n, 1n, 7n, 2n ** 64n - 1n);

const parts: fc.Arbitrary<Parts> = fc
  .record({ key, value, casOffset, opaque, exptime, amount, initial: amount, pick: fc.nat() })
  .chain((drawn) => {
    const { exptime: until, amount: by, initial } = drawn;
    const none = { extras: "", key: "", value: "" };
    const shape = (codes: readonly number[], given: Partial<Parts>): Parts => ({
      ...{ ...none, casOffset: drawn.casOffset, opaque: drawn.opaque },
      ...given,
      opcode: codes[drawn.pick % codes.length] ?? 0,
    });
    const store = { key: drawn.key, value: drawn.value.replaceAll(/[^\0-\xff]/g, "?") };
    return fc.constantFrom(
      shape(STORES, { ...store, extras: uint32(7) + uint32(until) }),
      shape(STORES, { ...store, extras: uint32(0) + uint32(0), casOffset: null }),
      shape(JOINS, { ...store, key: `${drawn.key.charAt(0)}+` }),
      shape(LOOK_UPS, { key: drawn.key }),
      shape(TOUCHES, { key: drawn.key, extras: uint32(until) }),
      shape(DELTAS, { key: drawn.key, extras: uint64(by) + uint64(initial) + uint32(until) }),
      shape(KEYLESS, { casOffset: null }),
      shape(SASL, store),
      // With a body memcached 1.6.18 loses its step.
      shape(UNKNOWN, {}),
    );
  });

export const randomBinaryRequest: fc.Arbitrary<RandomRequest> = parts.map((given) => {
  const { opcode, extras, key: of, value: data, casOffset: at, opaque: mark } = given;
  return (casAt) =>
    String.fromCharCode(0x80, opcode) +
    uint32(of.length).substring(2) +
    String.fromCharCode(extras.length, 0, 0, 0) +
    uint32(extras.length + of.length + data.length) +
    uint32(mark) +
    uint64(at === null ? 0n : casAt(at)) +
    extras +
    of +
    data;
});

function uint32(number: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(number);
  return bytes.toString("latin1");
}

function uint64(number: bigint): string {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(number);
  return bytes.toString("latin1");
}
