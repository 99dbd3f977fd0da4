/**
 * The steps of a key's move as commands of a Redis server, see MoveKey. Each step that must not be done without its lock is a script, so it is done
 * at once or not at all.
 *
 * A value travels as DUMP gives it, which keeps all types, and with the rest of its time to live: what the way takes is taken off.
 */
import { MOVE_LOCK_PREFIX } from "../../../api/migration.ts";
import type { MoveReply, MoveStep } from "../../../migration/move-key.ts";
import { type Decoded, ReplyError } from "../codec/decode.ts";
import { encodeRequest } from "../codec/encode.ts";

/** A lock is gone after so long. A step that takes longer finds that out, and the move begins anew. */
const LOCK_MS = 5_000;

/** One key, and what is known of it so far. */
export interface MovedKey {
  readonly key: Buffer;
  /** "EPOCH:…": no other move has it. */
  readonly token: string;
  readonly epoch: number;
  /** Of its value in memory: one that takes more stays where it is. */
  readonly bytesMax: number;
  /** As DUMP gave it; null: it was not taken. */
  value: Buffer | null;
  /** Milliseconds to live, when it was asked for at `takenMs`; -1: for ever. */
  ttlMs: number;
  takenMs: number;
}

const EPOCH_OF = "tonumber(string.match(l,'^%d+'))";

/** KEYS: lock. ARGV: epoch, token, milliseconds. */
const LOCK = `local l=redis.call('GET',KEYS[1])
if l and l~=ARGV[2] and ${EPOCH_OF}>=tonumber(ARGV[1]) then return 0 end
redis.call('SET',KEYS[1],ARGV[2],'PX',ARGV[3]) return 1`;

/**
 * KEYS: key, lock. ARGV: epoch, token, milliseconds, bytes. The lock is removed before it is set, because a server that is full does nothing for a
 * script whose first write takes memory; and what leaves it makes room.
 */
const TAKE = `local l=redis.call('GET',KEYS[2])
if l and ${EPOCH_OF}>tonumber(ARGV[1]) then return 0 end
local size=redis.call('MEMORY','USAGE',KEYS[1])
if not size then redis.call('DEL',KEYS[2]) return 1 end
if size>tonumber(ARGV[4]) then redis.call('DEL',KEYS[2]) return {size} end
redis.call('DEL',KEYS[2]) redis.call('SET',KEYS[2],ARGV[2],'PX',ARGV[3])
return {redis.call('DUMP',KEYS[1]),redis.call('PTTL',KEYS[1])}`;

/** KEYS: key, lock. ARGV: token, milliseconds to live (0: for ever), value. */
const PUT = `if redis.call('GET',KEYS[2])~=ARGV[1] then return 0 end
if redis.call('EXISTS',KEYS[1])==0 then redis.call('RESTORE',KEYS[1],ARGV[2],ARGV[3]) end
return 1`;

/** KEYS: key, lock. ARGV: token. */
const DROP = `if redis.call('GET',KEYS[2])~=ARGV[1] then return 0 end
redis.call('UNLINK',KEYS[1]) redis.call('DEL',KEYS[2]) return 1`;

/** KEYS: lock. ARGV: token. */
const FREE = `if redis.call('GET',KEYS[1])~=ARGV[1] then return 0 end
redis.call('DEL',KEYS[1]) return 1`;

const PREFIX: Buffer = Buffer.from(MOVE_LOCK_PREFIX);

function lockOf(key: Buffer): Buffer {
  return Buffer.concat([PREFIX, key]);
}

/** It is a lock, which does not move. */
export function isLock(key: Buffer): boolean {
  return (
    key.length >= PREFIX.length && key.compare(PREFIX, 0, PREFIX.length, 0, PREFIX.length) === 0
  );
}

/** The key that a lock is for. */
export function lockedKey(lock: Buffer): Buffer {
  return lock.subarray(PREFIX.length);
}

/** The steps that the old server is asked for; all others are the new one's. */
export function isAtSource(step: MoveStep): boolean {
  return step === "look" || step === "take" || step === "drop";
}

/** @param nowMs on the clock of `takenMs` */
export function encodeStep(step: MoveStep, moved: MovedKey, nowMs: number): Buffer {
  const { key, token, epoch } = moved;
  const lock = lockOf(key);
  switch (step) {
    case "look":
      return encodeRequest("EXISTS", key, lock);
    case "lock":
      return encodeRequest("EVAL", LOCK, "1", lock, `${epoch}`, token, `${LOCK_MS}`);
    case "take": {
      const { bytesMax } = moved;
      moved.takenMs = nowMs;
      const ends = [`${epoch}`, token, `${LOCK_MS}`, `${bytesMax}`];
      return encodeRequest("EVAL", TAKE, "2", key, lock, ...ends);
    }
    case "put": {
      const value = moved.value ?? Buffer.alloc(0);
      return encodeRequest("EVAL", PUT, "2", key, lock, token, `${leftOf(moved, nowMs)}`, value);
    }
    case "drop":
      return encodeRequest("EVAL", DROP, "2", key, lock, token);
    default:
      return encodeRequest("EVAL", FREE, "1", lock, token);
  }
}

/** What is left of its time to live, as RESTORE wants it. */
function leftOf({ ttlMs, takenMs }: MovedKey, nowMs: number): number {
  if (ttlMs < 0) return 0;
  return Math.max(1, Math.round(ttlMs - (nowMs - takenMs)));
}

export interface StepResult {
  readonly reply: MoveReply;
  /** With "refused". */
  readonly why: string;
}

const GARBAGE: StepResult = { reply: "refused", why: "the server's answer makes no sense" };

/** What a server's answer to `step` means. A value is kept in `moved`. */
export function readStep(step: MoveStep, answer: Decoded, moved: MovedKey): StepResult {
  if (answer instanceof ReplyError) return { reply: "refused", why: answer.text };
  if (step === "take" && Array.isArray(answer)) return taken(answer, moved);
  if (typeof answer !== "number") return GARBAGE;
  const reply = REPLIES[step]?.[Math.min(answer, 1)];
  return reply === undefined ? GARBAGE : { reply, why: "" };
}

/** What 0 and 1 mean. */
const REPLIES: Partial<Readonly<Record<MoveStep, readonly [MoveReply, MoveReply]>>> = {
  look: ["absent", "there"],
  lock: ["busy", "locked"],
  take: ["lost", "absent"],
  put: ["lost", "put"],
  drop: ["lost", "dropped"],
  free: ["lost", "freed"],
};

function taken(answer: readonly Decoded[], moved: MovedKey): StepResult {
  const [value, ttlMs] = answer;
  if (typeof value === "number" && ttlMs === undefined) {
    const why = `it takes ${value} bytes of memory, more than the ${moved.bytesMax} that are moved at once`;
    return { reply: "refused", why };
  }
  if (!Buffer.isBuffer(value) || typeof ttlMs !== "number") return GARBAGE;
  moved.value = value;
  moved.ttlMs = ttlMs;
  return { reply: "taken", why: "" };
}
