/** What is asked over the control socket, or by a signal, about what holds besides the configuration file. */
import type { ControlRequest, ControlResult } from "../../api/control-socket.ts";
import { LOG_LEVELS } from "../../base/log.ts";
import type { Caller } from "../control/control-server.ts";
import type { Progress } from "../generation/generation-change.ts";
import { ProgramError } from "../program/program.ts";
import { StartError } from "../start-error.ts";
import type { ChangeTarget } from "../supervisor-options.ts";
import { configDiff, configGet, configSet, configUnset } from "./config-orders.ts";
import { pullLever, releaseLevers } from "./lever-orders.ts";
import type { Operator } from "./operator.ts";

/** The supervisor, as far as it is steered. */
export interface SteeredProxy extends ChangeTarget {
  reload(isDryRun: boolean, progress: Progress): Promise<ControlResult>;
}

/** The result of a request that is none of the supervisor's own. */
export async function answerSteering(
  proxy: SteeredProxy,
  request: ControlRequest,
  caller: Operator & Pick<Caller, "progress">,
): Promise<ControlResult> {
  switch (request.verb) {
    case "config_get":
      return await resultOf(async () => configGet(proxy, request));
    case "config_diff":
      return await resultOf(() => configDiff(proxy));
    case "config_unset":
      return await change(proxy, () => configUnset(proxy, request, caller));
    case "config_set": {
      const result = await change(proxy, () => configSet(proxy, request, caller));
      if (!result.ok || result.verb !== "config_set" || !request.reloads) return result;
      const reloaded = await proxy.reload(false, (text) => caller.progress(text));
      return reloaded.ok ? { ...result, isReloaded: true } : reloaded;
    }
    case "events": {
      const events = proxy.resources.events.since(request.after, request.count);
      return { ok: true, verb: "events", events };
    }
    case "lever":
      return await change(proxy, () => pullLever(proxy, request, caller));
    case "release":
      return await resultOf(async () => releaseLevers(proxy, request, caller));
    default:
      return { ok: false, problems: ["this version does not know that command"] };
  }
}

/** More is logged, or less, until the next reload. */
export function shiftLogLevel({ running, steering, log }: ChangeTarget, steps: number): void {
  const index = LOG_LEVELS.indexOf(running.log.level) + steps;
  const level = LOG_LEVELS[Math.min(Math.max(index, 0), LOG_LEVELS.length - 1)] ?? "info";
  const path = "log.level";
  const isSet = steering.impose({
    ...{ path, pool: null, field: path, value: level, text: level, isLive: true },
    ...{ uid: -1, atMs: Date.now(), untilMs: null, isSaved: false },
  });
  if (isSet) log.warn("log level changed", { level });
  else log.warn("the log level stays: a setting is just being changed", { level });
}

/** Does it, unless the proxy is ending or something else is going on. */
async function change(
  { phase, changes }: ChangeTarget,
  act: () => Promise<ControlResult>,
): Promise<ControlResult> {
  const { refusal } = phase;
  if (refusal !== null) return { ok: false, problems: [refusal] };
  return await changes.alone("a change of settings", act);
}

/** Its result, or why there is none. */
async function resultOf(act: () => Promise<ControlResult>): Promise<ControlResult> {
  try {
    return await act();
  } catch (error) {
    const isAnswer = error instanceof StartError || error instanceof ProgramError;
    if (isAnswer) return { ok: false, problems: error.problems };
    throw error;
  }
}
