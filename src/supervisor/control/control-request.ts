/** What came over the control socket, checked: any program of this user may have sent it. */
import type { ControlRequest } from "../../api/control-socket.ts";

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
    default:
      return typeof request.verb === "string" ? request : null;
  }
}

function isPath(path: unknown): boolean {
  return typeof path === "string" && path !== "" && !path.includes("\0");
}
