/**
 * Orders of operators that came to the admin process over HTTP. That process has asked for the token; but it talks to the network, so what it
 * passes on is checked like what comes over the control socket, and it never gets what that alone may: nothing without a token in the
 * configuration, no end that is open, nothing that writes a file or starts new workers.
 */
import {
  ADMIN_ORDER_VERBS,
  type ControlRequest,
  type ControlResult,
} from "../../api/control-socket.ts";
import { LEVER_MS_MAX } from "../../base/limits.ts";
import { formatDuration } from "../../config/duration.ts";
import { readRequest } from "../control/control-request.ts";
import { answerInspection } from "../inspection/inspection-requests.ts";
import type { Operator } from "./operator.ts";
import { answerSteering, type SteeredProxy } from "./steering-requests.ts";

/** Of the words that tell from where an order came. */
const BY_LENGTH_MAX = 100;
const LOOKS: readonly string[] = ["config_get", "config_diff"];

/** @param order as the admin process sent it. @param by likewise: from where it came */
export async function answerAdminOrder(
  proxy: SteeredProxy,
  order: unknown,
  by: unknown,
): Promise<ControlResult> {
  const request = readRequest(order);
  const fault = request === null ? "that is no order" : faultOf(proxy, request);
  if (request === null || fault !== null) return { ok: false, problems: [fault ?? ""] };
  const operator: Operator = { uid: -1, by: `admin port, ${by}`.substring(0, BY_LENGTH_MAX) };
  try {
    return (
      (await answerInspection(proxy, request, operator)) ??
      (await answerSteering(proxy, request, { ...operator, progress() {} }))
    );
  } catch (error) {
    const { message, stack = message } = error instanceof Error ? error : new Error(`${error}`);
    proxy.log.error("an order over HTTP failed", { order: request.verb, error: stack });
    return {
      ok: false,
      problems: ["it failed because of a fault of the proxy's, which its log shows"],
    };
  }
}

/** Why it is not for the admin process to order; null: it is. */
function faultOf({ running }: SteeredProxy, request: ControlRequest): string | null {
  if (!ADMIN_ORDER_VERBS.some((verb) => verb === request.verb)) {
    return "that can only be ordered with commands on the proxy's machine";
  }
  if (LOOKS.includes(request.verb)) return null;
  if ((running.admin?.leversTokenFile ?? null) === null) {
    return "this proxy takes no orders over HTTP (admin: levers_token_file)";
  }
  if (request.verb !== "config_set") return null;
  const { isSaved, reloads, forMs } = request;
  if (isSaved || reloads) return "files are only written by commands on the proxy's machine";
  if (forMs === null || forMs > LEVER_MS_MAX) {
    return `over HTTP a value is set for a while: at most ${formatDuration(LEVER_MS_MAX)}`;
  }
  return null;
}
