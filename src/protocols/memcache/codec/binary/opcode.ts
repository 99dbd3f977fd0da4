/**
 * The operation codes of Memcached's binary protocol, and what the proxy has to know of each.
 *
 * A quiet opcode does what its loud one does, but says nothing when all went as expected.
 */
import { ACCESS, type Access } from "../../../../api/request-facts.ts";

/** Where the bytes of a header are, in requests and replies alike. All numbers are big-endian. */
export const HEADER_BYTES = 24;
export const AT_OPCODE = 1;
export const AT_KEY_LENGTH = 2;
export const AT_EXTRAS_LENGTH = 4;
export const AT_DATA_TYPE = 5;
/** Of a reply; a request has its vbucket there, which no server heeds. */
export const AT_STATUS = 6;
export const AT_BODY_LENGTH = 8;
/** Four bytes of the client's choice, which come back in the reply. */
export const AT_OPAQUE = 12;
export const AT_CAS = 16;

export const REQUEST_MAGIC = 0x80;
export const REPLY_MAGIC = 0x81;

export const OPCODE = {
  get: 0x00,
  set: 0x01,
  add: 0x02,
  replace: 0x03,
  delete: 0x04,
  increment: 0x05,
  decrement: 0x06,
  quit: 0x07,
  flush: 0x08,
  getQuiet: 0x09,
  noop: 0x0a,
  version: 0x0b,
  getWithKey: 0x0c,
  getWithKeyQuiet: 0x0d,
  append: 0x0e,
  prepend: 0x0f,
  stat: 0x10,
  setQuiet: 0x11,
  addQuiet: 0x12,
  replaceQuiet: 0x13,
  deleteQuiet: 0x14,
  incrementQuiet: 0x15,
  decrementQuiet: 0x16,
  quitQuiet: 0x17,
  flushQuiet: 0x18,
  appendQuiet: 0x19,
  prependQuiet: 0x1a,
  touch: 0x1c,
  getAndTouch: 0x1d,
  getAndTouchQuiet: 0x1e,
  saslList: 0x20,
  saslAuth: 0x21,
  saslStep: 0x22,
  getAndTouchWithKey: 0x23,
  getAndTouchWithKeyQuiet: 0x24,
} as const;

const QUIET_OF_LOUD: readonly (readonly [number, number])[] = [
  [OPCODE.get, OPCODE.getQuiet],
  [OPCODE.getWithKey, OPCODE.getWithKeyQuiet],
  [OPCODE.getAndTouch, OPCODE.getAndTouchQuiet],
  [OPCODE.getAndTouchWithKey, OPCODE.getAndTouchWithKeyQuiet],
  [OPCODE.set, OPCODE.setQuiet],
  [OPCODE.add, OPCODE.addQuiet],
  [OPCODE.replace, OPCODE.replaceQuiet],
  [OPCODE.append, OPCODE.appendQuiet],
  [OPCODE.prepend, OPCODE.prependQuiet],
  [OPCODE.delete, OPCODE.deleteQuiet],
  [OPCODE.increment, OPCODE.incrementQuiet],
  [OPCODE.decrement, OPCODE.decrementQuiet],
  [OPCODE.quit, OPCODE.quitQuiet],
  [OPCODE.flush, OPCODE.flushQuiet],
];

/** By opcode: the one that does the same and answers always. */
export const LOUD: Uint8Array = Uint8Array.from({ length: 256 }, (_, opcode) => opcode);
/** By opcode: the one that does the same and answers only what is unexpected, or itself. */
export const QUIET: Uint8Array = Uint8Array.from({ length: 256 }, (_, opcode) => opcode);
for (const [loud, quiet] of QUIET_OF_LOUD) {
  LOUD[quiet] = loud;
  QUIET[loud] = quiet;
}

export function isQuiet(opcode: number): boolean {
  return LOUD[opcode] !== opcode;
}

const READS: readonly number[] = [
  OPCODE.get,
  OPCODE.getWithKey,
  OPCODE.getAndTouch,
  OPCODE.getAndTouchWithKey,
];

const ACCESS_OF: readonly Access[] = Array.from({ length: 256 }, (_, opcode) =>
  LOUD[opcode] === OPCODE.get || LOUD[opcode] === OPCODE.getWithKey ? ACCESS.read : ACCESS.write,
);

/** What a request with this opcode may do to the item under its key. */
export function accessOf(opcode: number): Access {
  return ACCESS_OF[opcode]!;
}

/** By opcode: what the text protocol calls it, in upper case; see RequestFacts. */
const NAMES: readonly string[] = namesOf([
  ["GET", [OPCODE.get, OPCODE.getWithKey]],
  ["GAT", [OPCODE.getAndTouch, OPCODE.getAndTouchWithKey]],
  ["SET", [OPCODE.set]],
  ["ADD", [OPCODE.add]],
  ["REPLACE", [OPCODE.replace]],
  ["APPEND", [OPCODE.append]],
  ["PREPEND", [OPCODE.prepend]],
  ["DELETE", [OPCODE.delete]],
  ["INCR", [OPCODE.increment]],
  ["DECR", [OPCODE.decrement]],
  ["TOUCH", [OPCODE.touch]],
]);

function namesOf(rows: readonly (readonly [name: string, loud: readonly number[]])[]): string[] {
  return Array.from({ length: 256 }, (_, opcode) => {
    return rows.find(([, loud]) => loud.includes(LOUD[opcode]!))?.[0] ?? "";
  });
}

export function commandNameOf(opcode: number): string {
  return NAMES[opcode]!;
}

/** Asks for a value: what is expected of it, when quiet, is a miss. */
export function isRead(opcode: number): boolean {
  return READS.includes(LOUD[opcode]!);
}

/** How a request's lengths must be, by loud opcode. */
interface Shape {
  readonly extras: number;
  readonly hasKey: boolean;
  readonly mayHaveValue: boolean;
}

const SHAPES: readonly (Shape | undefined)[] = makeShapes();

/** True for all opcodes that memcached knows, without SASL. */
export function isKnown(opcode: number): boolean {
  return SHAPES[LOUD[opcode]!] !== undefined;
}

/** True when the lengths in a request's header fit its known opcode. The body is as long as key and extras at least. */
export function isWellFormed(
  opcode: number,
  keyLength: number,
  extrasLength: number,
  bodyLength: number,
): boolean {
  const loud = LOUD[opcode]!;
  const shape = SHAPES[loud];
  if (shape === undefined) return false;
  if (loud === OPCODE.stat) return extrasLength === 0 && bodyLength === keyLength;
  // The time of a flush may be left out.
  const extrasFit = extrasLength === shape.extras || (loud === OPCODE.flush && extrasLength === 0);
  if (!extrasFit || keyLength > 0 !== shape.hasKey) return false;
  return shape.mayHaveValue || bodyLength === keyLength + extrasLength;
}

function makeShapes(): (Shape | undefined)[] {
  const shapes = new Array<Shape | undefined>(256).fill(undefined);
  const add = (opcodes: readonly number[], shape: Shape): void => {
    for (const opcode of opcodes) shapes[opcode] = shape;
  };
  const { get, getWithKey, touch, getAndTouch, getAndTouchWithKey, set, replace } = OPCODE;
  const { append, prepend, increment, decrement, quit, noop, version, stat, flush } = OPCODE;
  add([get, getWithKey, OPCODE.delete], { extras: 0, hasKey: true, mayHaveValue: false });
  add([touch, getAndTouch, getAndTouchWithKey], { extras: 4, hasKey: true, mayHaveValue: false });
  add([set, OPCODE.add, replace], { extras: 8, hasKey: true, mayHaveValue: true });
  add([append, prepend], { extras: 0, hasKey: true, mayHaveValue: true });
  add([increment, decrement], { extras: 20, hasKey: true, mayHaveValue: false });
  add([quit, noop, version, stat], { extras: 0, hasKey: false, mayHaveValue: false });
  add([flush], { extras: 4, hasKey: false, mayHaveValue: false });
  return shapes;
}
