/**
 * The steps of a key's move as meta commands of a Memcached server, see MoveItem.
 *
 * A value travels with its flags and with the rest of its time to live, in seconds, as servers count it. Its version (`cas`) is the new
 * server's own.
 */
import { MOVE_LOCK_PREFIX } from "../../../api/migration.ts";
import type { ItemReply, ItemStep } from "../../../migration/move-item.ts";

/** Seconds: a lock is gone after so long, or up to one second sooner. */
const LOCK_SECONDS = 8;
/** From what the target's clock shows at least: what was added for a moment is gone then, and not sooner than two seconds from now. */
const ADDED_SECONDS = 4;
/** It is sent at the latest so long after the lock, so that it is over before the lock is. */
export const ADD_MS_MAX = 1_000;
/** The lock is surely still there. */
export const LOCK_MS_MIN = 6_500;
/** Longer times are dates. */
const RELATIVE_MAX = 60 * 60 * 24 * 30;
/** Of a key that stands in a request in base64. */
const ENCODED_BYTES_MAX = 250;

/** One key, and what is known of it so far. */
export interface MovedItem {
  readonly key: Buffer;
  /** Null: not as far. */
  value: Buffer | null;
  flags: string;
  /** -1: for ever. */
  ttlSeconds: number;
  /** The server shows the key in base64, because it was made so. */
  isEncoded: boolean;
  /** Versions of what was taken, of the lock and of what was added. */
  takenCas: string;
  lockCas: string;
  addedCas: string;
  /** When the lock was asked for. */
  takenMs: number;
}

export function newItem(key: Buffer): MovedItem {
  return {
    ...{ key, value: null, flags: "0", ttlSeconds: -1, isEncoded: false },
    ...{ takenCas: "0", lockCas: "0", addedCas: "0", takenMs: 0 },
  };
}

/** Whether meta commands can name the key. */
export function canBeNamed(key: Buffer): boolean {
  return isPlain(key) || Math.ceil(key.length / 3) * 4 <= ENCODED_BYTES_MAX;
}

function isPlain(key: Buffer): boolean {
  return key.every((byte) => byte > 0x20 && byte !== 0x7f);
}

/** A meta command without data, about any key that can be named. Without its end. */
export function requestOf(command: string, key: Buffer, flags: string): string {
  const name = isPlain(key) ? key.toString("latin1") : `${key.toString("base64")} b`;
  return `${command} ${name} ${flags}`.trimEnd();
}

/** Keys of any length have one; two that share it wait for each other. */
export function lockOf(key: Buffer): string {
  return `${MOVE_LOCK_PREFIX}${Bun.hash.wyhash(key).toString(16)}`;
}

export function isLock(key: Buffer): boolean {
  return key.toString("latin1", 0, MOVE_LOCK_PREFIX.length) === MOVE_LOCK_PREFIX;
}

/** The steps that the old server is asked for; all others are the new one's. */
export function isAtSource(step: ItemStep): boolean {
  return step === "look" || step === "take" || step === "drop" || step === "release";
}

/**
 * The requests of a step, which go one behind the other over one connection.
 * @param serverSeconds what the clock of the server shows at least
 * @param opaque of the first one; those of others follow
 */
export function encodeStep(
  step: ItemStep,
  item: MovedItem,
  serverSeconds: number,
  opaque: number,
): readonly Buffer[] {
  const { key, addedCas } = item;
  const lines = (...requests: readonly string[]): readonly Buffer[] =>
    requests.map((text, at) => {
      const [line, data] = text.split("\r\n");
      const marked = `${line} O${opaque + at}\r\n`;
      return Buffer.from(data === undefined ? marked : `${marked}${data}\r\n`, "latin1");
    });
  const name = isPlain(key) ? key.toString("latin1") : key.toString("base64");
  const b = isPlain(key) ? "" : " b";
  const lock = lockOf(key);
  const release = `md ${lock} C${item.lockCas}`;
  switch (step) {
    case "look":
      // In this order: who has taken the value has a lock until the key is gone.
      return lines(`mg ${name}${b} s`, `mg ${lock} s`);
    case "take": {
      // A key with odd bytes is not asked for: they could be taken for an end of the line.
      const shown = b === "" ? " k" : b;
      return lines(`ms ${lock} 1 ME T${LOCK_SECONDS} c\r\n1`, `mg ${name}${shown} v f t c s`);
    }
    case "add": {
      const { ttlSeconds } = item;
      const lasts = ttlSeconds < 0 ? ADDED_SECONDS : Math.min(ADDED_SECONDS, ttlSeconds);
      return [store(item, `ME T${serverSeconds + lasts} c`, opaque)];
    }
    case "put":
      return [store(item, `C${addedCas} T${timeFor(item.ttlSeconds, serverSeconds)}`, opaque)];
    case "drop":
      return lines(`md ${name}${b} C${item.takenCas}`, release);
    case "free":
      return lines(`md ${name}${b} C${addedCas}`);
    case "release":
      return lines(release);
  }
}

function store(item: MovedItem, flags: string, opaque: number): Buffer {
  const { key, isEncoded } = item;
  const value = item.value ?? Buffer.alloc(0);
  const name = key.toString(isEncoded ? "base64" : "latin1");
  const all = `${flags} F${item.flags}${isEncoded ? " b" : ""} O${opaque}`;
  const head = Buffer.from(`ms ${name} ${value.length} ${all}\r\n`, "latin1");
  return Buffer.concat([head, value, END_OF_LINE]);
}

function timeFor(ttlSeconds: number, serverSeconds: number): number {
  if (ttlSeconds < 0) return 0;
  return ttlSeconds > RELATIVE_MAX ? serverSeconds + ttlSeconds : ttlSeconds;
}

/** Whether bytes[start, end), a whole reply, may be the one to the request with this opaque. */
export function isAnswerTo(opaque: number, bytes: Buffer, start: number, end: number): boolean {
  const lineEnd = bytes.indexOf("\r\n", start);
  const head = bytes.toString("latin1", start, Math.min(lineEnd, end));
  const found = flagOf(head, "O");
  // Old servers leave it out where there is nothing to tell, and all do in errors.
  return found === null ? !/^(VA|HD) ?/.test(head) : found === `${opaque}`;
}

export interface StepResult {
  readonly reply: ItemReply;
  /** With "refused". */
  readonly why: string;
}

/** What a server's answers to the requests of `step` mean. What was learned is kept in `item`. */
export function readStep(
  step: ItemStep,
  answers: readonly Buffer[],
  item: MovedItem,
  tookMs: number,
): StepResult {
  const heads = answers.map((answer) => answer.toString("latin1", 0, answer.indexOf("\r\n")));
  const [first = "", second = ""] = heads;
  const fault = heads.find((head) => /^(CLIENT_|SERVER_)?ERROR/.test(head));
  if (fault !== undefined) {
    return TOO_LARGE.test(fault) && (step === "add" || step === "put")
      ? is("unfit")
      : { reply: "refused", why: fault };
  }
  const code = first.substring(0, 2);
  switch (step) {
    case "look":
      return is(code === "EN" && second.startsWith("EN") ? "absent" : "there");
    case "take":
      return readTake(heads, answers, item, tookMs);
    case "add":
      item.addedCas = flagOf(first, "c") ?? "0";
      return is(code === "HD" ? "added" : "kept");
    case "put":
      return code === "HD" ? is("put") : is("lost");
    case "drop":
      return is(code === "HD" || code === "NF" ? "dropped" : "lost");
    default:
      return is("gone");
  }
}

const END_OF_LINE: Buffer = Buffer.from("\r\n");
const TOO_LARGE = /too large/;
const GARBAGE: StepResult = { reply: "refused", why: "the server's answer makes no sense" };

function is(reply: ItemReply): StepResult {
  return { reply, why: "" };
}

function readTake(
  [first = "", second = ""]: readonly string[],
  answers: readonly Buffer[],
  item: MovedItem,
  tookMs: number,
): StepResult {
  if (first.startsWith("NS")) return is("busy");
  item.lockCas = flagOf(first, "c") ?? "0";
  if (!first.startsWith("HD") || item.lockCas === "0") return GARBAGE;
  return second.startsWith("EN") ? is("absent") : taken(answers[1]!, second, item, tookMs);
}

function taken(answer: Buffer, head: string, item: MovedItem, tookMs: number): StepResult {
  const size = Number(head.split(" ")[1]);
  const [flags, ttl, cas] = [flagOf(head, "f"), flagOf(head, "t"), flagOf(head, "c")];
  if (!head.startsWith("VA ") || flags === null || ttl === null || cas === null) return GARBAGE;
  const start = head.length + 2;
  item.takenCas = cas;
  item.flags = flags;
  item.isEncoded = !isPlain(item.key) || hasFlag(head, "b");
  item.value = Buffer.from(answer.subarray(start, start + size));
  item.ttlSeconds = ttl === "-1" ? -1 : Number(ttl) - Math.floor(tookMs / 1000);
  const isOver = ttl !== "-1" && item.ttlSeconds <= 0;
  // A client has said that it is out of date, or has not filled it yet.
  const isEmpty = size === 0 && (hasFlag(head, "W") || hasFlag(head, "Z"));
  const isUseless = hasFlag(head, "X") || isEmpty;
  return is(isOver || isUseless ? "worthless" : "taken");
}

function hasFlag(head: string, flag: string): boolean {
  return head.split(" ").includes(flag);
}

/** What stands behind a flag in the first line of a reply. */
function flagOf(head: string, flag: string): string | null {
  const word = head.split(" ").find((one, at) => at > 0 && one.startsWith(flag));
  return word === undefined ? null : word.substring(1);
}
