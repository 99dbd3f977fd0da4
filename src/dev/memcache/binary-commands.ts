/** The opcodes of the binary protocol. A quiet one is its loud one, minus the replies that tell nothing new. */
import { OPCODE } from "../../protocols/memcache/codec/binary/opcode.ts";
import { STATUS } from "../../protocols/memcache/codec/binary/status.ts";
import { MEMCACHE_VERSION } from "../../protocols/memcache/codec/version.ts";
import {
  type BinaryReply,
  type BinaryRequest,
  encodeError,
  encodeReply,
  uint32,
  uint64,
} from "./binary-message.ts";
import type { Item } from "./item.ts";
import { addDelta, type StoreMode, storeItem } from "./operations.ts";
import { count, countLookup, type Shard } from "./shard.ts";
import { statsOf } from "./stats.ts";

/** @returns the reply, or the status of an error */
type Handler = (shard: Shard, request: BinaryRequest) => BinaryReply | number;

export interface BinaryRow {
  /** Lengths that the extras may have. */
  readonly extras: readonly number[];
  readonly hasKey: boolean;
  readonly hasValue: boolean;
  readonly run: Handler;
  /** The status that a quiet opcode does not tell. */
  readonly silent: number | null;
}

const NO_VIVIFY = 0xffff_ffff;

function row(extras: readonly number[], shape: "" | "key" | "key value", run: Handler): BinaryRow {
  const parts = { hasKey: shape !== "", hasValue: shape === "key value" };
  return { extras, ...parts, run, silent: null };
}

const GET = row([0], "key", (shard, request) => lookUp(shard, request, false, true));
const GETK = row([0], "key", (shard, request) => lookUp(shard, request, true, true));
const TOUCH = row([4], "key", (shard, request) => lookUp(shard, request, false, false));
const GAT = row([4], "key", (shard, request) => lookUp(shard, request, false, true));
const GATK = row([4], "key", (shard, request) => lookUp(shard, request, true, true));
const SET = row([8], "key value", storing("set"));
const ADD = row([8], "key value", storing("add"));
const REPLACE = row([8], "key value", storing("replace"));
const APPEND = row([0], "key value", storing("append"));
const PREPEND = row([0], "key value", storing("prepend"));
const DELETE = row([0], "key", remove);
const INCREMENT = row([20], "key", arithmetic(true));
const DECREMENT = row([20], "key", arithmetic(false));
const FLUSH = row([0, 4], "", flush);
const NOOP = row([0], "", () => ({}));
// Without SASL memcached looks at their shape, and then does not know them.
const SASL_LIST = row([0], "", () => STATUS.unknownCommand);
const SASL_STEP = row([0], "key value", () => STATUS.unknownCommand);

function quiet(loud: BinaryRow, silent: number): BinaryRow {
  return { ...loud, silent };
}

/** Rows by opcode. QUIT, QUITQ and STAT are the speaker's own: they do not answer with one reply. */
export const BINARY_COMMANDS: ReadonlyMap<number, BinaryRow> = new Map([
  [OPCODE.get, GET],
  [OPCODE.set, SET],
  [OPCODE.add, ADD],
  [OPCODE.replace, REPLACE],
  [OPCODE.delete, DELETE],
  [OPCODE.increment, INCREMENT],
  [OPCODE.decrement, DECREMENT],
  [OPCODE.flush, FLUSH],
  [OPCODE.getQuiet, quiet(GET, STATUS.notFound)],
  [OPCODE.noop, NOOP],
  [OPCODE.version, row([0], "", () => ({ value: MEMCACHE_VERSION }))],
  [OPCODE.getWithKey, GETK],
  [OPCODE.getWithKeyQuiet, quiet(GETK, STATUS.notFound)],
  [OPCODE.append, APPEND],
  [OPCODE.prepend, PREPEND],
  [OPCODE.setQuiet, quiet(SET, STATUS.ok)],
  [OPCODE.addQuiet, quiet(ADD, STATUS.ok)],
  [OPCODE.replaceQuiet, quiet(REPLACE, STATUS.ok)],
  [OPCODE.deleteQuiet, quiet(DELETE, STATUS.ok)],
  [OPCODE.incrementQuiet, quiet(INCREMENT, STATUS.ok)],
  [OPCODE.decrementQuiet, quiet(DECREMENT, STATUS.ok)],
  [OPCODE.flushQuiet, quiet(FLUSH, STATUS.ok)],
  [OPCODE.appendQuiet, quiet(APPEND, STATUS.ok)],
  [OPCODE.prependQuiet, quiet(PREPEND, STATUS.ok)],
  [OPCODE.touch, TOUCH],
  [OPCODE.getAndTouch, GAT],
  [OPCODE.getAndTouchQuiet, quiet(GAT, STATUS.notFound)],
  [OPCODE.saslList, SASL_LIST],
  [OPCODE.saslAuth, SASL_STEP],
  [OPCODE.saslStep, SASL_STEP],
  [OPCODE.getAndTouchWithKey, GATK],
  [OPCODE.getAndTouchWithKeyQuiet, quiet(GATK, STATUS.notFound)],
]);

/** Runs a request of a known opcode. @returns the encoded reply, "" when it is quiet */
export function runBinary(shard: Shard, command: BinaryRow, request: BinaryRequest): string {
  const result = command.run(shard, request);
  const status = typeof result === "number" ? result : (result.status ?? STATUS.ok);
  if (status === command.silent) return "";
  return typeof result === "number" ? encodeError(request, result) : encodeReply(request, result);
}

/** The statistics, each as a reply of its own, and an empty one. */
export function statReplies(shard: Shard, request: BinaryRequest): string {
  const stats = statsOf(shard, request.key);
  if (stats === null) return encodeError(request, STATUS.notFound);
  const pairs = stats === "reset" ? [] : stats;
  const replies = pairs.map(([key, value]) => encodeReply(request, { key, value }));
  return replies.join("") + encodeReply(request, {});
}

function lookUp(
  shard: Shard,
  request: BinaryRequest,
  withKey: boolean,
  withValue: boolean,
): BinaryReply | number {
  const isTouch = request.extras.length > 0;
  const item = shard.store.use(request.key);
  if (isTouch) count(shard, "cmd_touch");
  if (withValue) count(shard, "cmd_get");
  countLookup(shard, isTouch ? "touch" : "get", item !== null);
  const key = withKey ? request.key : "";
  if (item === null) return withKey ? { status: STATUS.notFound, key } : STATUS.notFound;
  if (isTouch) item.expiresAt = shard.store.expiryOf(request.extras.readUInt32BE(0));
  const value = withValue ? item.value : "";
  return { extras: uint32(item.flags), key, value, cas: item.cas };
}

function storing(mode: StoreMode): Handler {
  const isJoin = mode === "append" || mode === "prepend";
  return (shard, request) => {
    const { key, value, extras } = request;
    const flags = isJoin ? 0 : extras.readUInt32BE(0);
    const expiresAt = isJoin ? 0 : shard.store.expiryOf(extras.readUInt32BE(4));
    count(shard, "cmd_set");
    const cas = request.cas === 0n ? null : request.cas;
    // With a CAS it does not matter how it was to be stored.
    const how = cas === null || isJoin ? mode : "set";
    const order = { key, value, flags, expiresAt, cas, mayBeStale: false };
    const { outcome, item } = storeItem(shard.store, { mode: how, ...order });
    if (outcome === "stored") return { cas: item?.cas ?? 0 };
    if (outcome === "exists") return STATUS.exists;
    if (isJoin) return STATUS.notStored;
    return mode === "add" && outcome === "not_stored" ? STATUS.exists : STATUS.notFound;
  };
}

function remove(shard: Shard, request: BinaryRequest): BinaryReply | number {
  const item = shard.store.peek(request.key);
  countLookup(shard, "delete", item !== null);
  if (item === null) return STATUS.notFound;
  if (request.cas !== 0n && request.cas !== BigInt(item.cas)) return STATUS.exists;
  shard.store.delete(request.key);
  return {};
}

function arithmetic(isUp: boolean): Handler {
  return (shard, request) => {
    const { extras, key } = request;
    const item = shard.store.peek(key);
    countLookup(shard, isUp ? "incr" : "decr", item !== null);
    if (item === null) return vivify(shard, request);
    const cas = request.cas === 0n ? null : request.cas;
    const change = { amount: extras.readBigUInt64BE(0), isUp, cas };
    const result = addDelta(shard.store, item, change);
    if (result === "exists") return STATUS.exists;
    if (result === "not_numeric") return STATUS.notNumeric;
    return { value: uint64(result), cas: shard.store.peek(key)?.cas ?? 0 };
  };
}

function vivify(shard: Shard, request: BinaryRequest): BinaryReply | number {
  const { extras, key } = request;
  if (extras.readUInt32BE(16) === NO_VIVIFY) return STATUS.notFound;
  const initial = extras.readBigUInt64BE(8);
  const expiresAt = shard.store.expiryOf(extras.readUInt32BE(16));
  const item: Item = shard.store.put(key, String(initial), 0, expiresAt);
  return { value: uint64(initial), cas: item.cas };
}

function flush(shard: Shard, request: BinaryRequest): BinaryReply {
  count(shard, "cmd_flush");
  shard.store.flush(request.extras.length === 4 ? request.extras.readUInt32BE(0) : 0);
  return {};
}
