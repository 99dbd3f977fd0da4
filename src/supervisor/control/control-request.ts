/** What came over the control socket, checked: any program of this user may have sent it. */
import { type ControlRequest, MIGRATION_VERBS } from "../../api/control-socket.ts";
import {
  CLIENT_ORDERS,
  CLIENT_STATES,
  type ClientQuery,
  type KickTarget,
} from "../../api/inspection.ts";
import { BIG_KEY_ORDERS } from "../../api/key-report.ts";
import { MENDS, type VerifyOrder } from "../../api/migration.ts";
import { LEVER_KINDS, type LeverKind } from "../../api/steering.ts";

/** Of these it must be said what they are about; the others are about a whole pool, which must be named. */
const WITH_TEXT: readonly LeverKind[] = ["block", "drain", "drain_to"];

type Lever = Extract<ControlRequest, { readonly verb: "lever" }>;
type Release = Extract<ControlRequest, { readonly verb: "release" }>;
type Stop = Extract<ControlRequest, { readonly verb: "stop" }>;
type SetOrder = Extract<ControlRequest, { readonly verb: "config_set" }>;

/** Null: it is no request of any version. */
export function readRequest(message: unknown): ControlRequest | null {
  if (typeof message !== "object" || message === null || !("verb" in message)) return null;
  const request = message as ControlRequest;
  return typeof request.verb === "string" && isRequest(request) ? request : null;
}

function isRequest(request: ControlRequest): boolean {
  switch (request.verb) {
    case "reload":
      return typeof request.isDryRun === "boolean";
    case "upgrade":
      return request.path === null || isPath(request.path);
    case "stop":
      return isStop(request);
    case "config_get":
    case "config_unset":
      return request.path === null || isWord(request.path);
    case "config_set":
      return isSetting(request);
    case "lever":
      return isLever(request);
    case "events":
      return Number.isSafeInteger(request.after) && isTime(request.count);
    case "clients":
      return isClientQuery(request.query);
    case "slowlog":
      return (
        Number.isSafeInteger(request.after) &&
        isTime(request.count) &&
        isOrNull(request.pool, "string")
      );
    case "hotkeys":
      return isOrNull(request.pool, "string") && isTime(request.limit);
    case "bigkeys":
      return (
        isOrNull(request.pool, "string") &&
        isTime(request.limit) &&
        BIG_KEY_ORDERS.includes(request.order)
      );
    case "bigkeys_reset":
    case "slowlog_reset":
      return isOrNull(request.pool, "string");
    case "kick":
      return isTarget(request.target);
    case "migration":
      return MIGRATION_VERBS.includes(request.order) && isOrNull(request.pool, "string");
    case "forget_host":
      return isWord(request.host);
    case "verify_keys":
      return isVerify(request);
    case "release":
      return isRelease(request);
    default:
      return true;
  }
}

function isStop({ timeoutMs, isDrain }: Stop): boolean {
  const isInTime = timeoutMs === null || (Number.isFinite(timeoutMs) && timeoutMs >= 0);
  return typeof isDrain === "boolean" && isInTime;
}

function isLever({ kind, pool, text, forMs }: Lever): boolean {
  const isKnown =
    LEVER_KINDS.includes(kind) && isOrNull(pool, "string") && typeof text === "string";
  return isKnown && isTime(forMs) && (WITH_TEXT.includes(kind) ? text !== "" : pool !== null);
}

function isRelease({ id, kind, pool, text = null }: Release): boolean {
  const areTexts = [kind, pool, text].every((one) => isOrNull(one, "string"));
  return isOrNull(id, "number") && areTexts;
}

function isClientQuery(query: ClientQuery): boolean {
  if (typeof query !== "object" || query === null) return false;
  const { order, limit, pool, address, name, user, state } = query;
  const areTexts = [pool, address, name, user].every((text) => isOrNull(text, "string"));
  const isState = state === null || CLIENT_STATES.includes(state);
  return CLIENT_ORDERS.includes(order) && isTime(limit) && areTexts && isState;
}

function isTarget(target: KickTarget): boolean {
  if (typeof target !== "object" || target === null) return false;
  return "id" in target ? isTime(target.id) : isWord(target.address);
}

function isOrNull(value: unknown, type: "string" | "number"): boolean {
  return value === null || typeof value === type;
}

function isSetting({ path, value, isSaved, reloads, forMs }: SetOrder): boolean {
  const areFlags = typeof isSaved === "boolean" && typeof reloads === "boolean";
  return isWord(path) && typeof value === "string" && areFlags && (forMs === null || isTime(forMs));
}

/** A whole number from 1 on, of milliseconds or of things. */
function isTime(time: unknown): boolean {
  return Number.isSafeInteger(time) && (time as number) > 0;
}

function isWord(word: unknown): boolean {
  return typeof word === "string" && word !== "";
}

function isPath(path: unknown): boolean {
  return typeof path === "string" && path !== "" && !path.includes("\0");
}

function isVerify({ pool, mend, sample }: VerifyOrder): boolean {
  const isMend = mend === null || MENDS.includes(mend);
  return (
    isOrNull(pool, "string") &&
    isMend &&
    (sample === null || (Number.isInteger(sample) && sample > 0))
  );
}
