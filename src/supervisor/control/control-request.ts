/** What came over the control socket, checked: any program of this user may have sent it. */
import type { ControlRequest } from "../../api/control-socket.ts";

type SetOrder = Extract<ControlRequest, { readonly verb: "config_set" }>;

/** Null: it is no request of any version. */
export function readRequest(message: unknown): ControlRequest | null {
  if (typeof message !== "object" || message === null || !("verb" in message)) return null;
  const request = message as ControlRequest;
  switch (request.verb) {
    case "reload":
      return typeof request.isDryRun === "boolean" ? request : null;
    case "upgrade":
      return request.path === null || isPath(request.path) ? request : null;
    case "stop": {
      const { timeoutMs, isDrain } = request;
      const isTime = timeoutMs === null || (Number.isFinite(timeoutMs) && timeoutMs >= 0);
      return typeof isDrain === "boolean" && isTime ? request : null;
    }
    case "config_get":
    case "config_unset":
      return request.path === null || isWord(request.path) ? request : null;
    case "config_set":
      return isSetting(request) ? request : null;
    default:
      return typeof request.verb === "string" ? request : null;
  }
}

function isSetting({ path, value, isSaved, reloads, forMs }: SetOrder): boolean {
  const areFlags = typeof isSaved === "boolean" && typeof reloads === "boolean";
  return isWord(path) && typeof value === "string" && areFlags && (forMs === null || isTime(forMs));
}

/** Milliseconds. */
function isTime(time: unknown): boolean {
  return Number.isSafeInteger(time) && (time as number) > 0;
}

function isWord(word: unknown): boolean {
  return typeof word === "string" && word !== "";
}

function isPath(path: unknown): boolean {
  return typeof path === "string" && path !== "" && !path.includes("\0");
}
