/** The engine of this worker. */
import type { Config } from "../api/config.ts";
import type { ChosenEngine } from "../api/engine.ts";
import type { Logger } from "../base/log.ts";
import { LogLimit } from "../base/log-limit.ts";
import { chooseEngine } from "../engine/choose.ts";

/** Once in a process. The log says which one it is, and why. */
export function startEngine({ engine: choice = "bun" }: Config, log: Logger): ChosenEngine {
  const limit = new LogLimit();
  const { engine, reason } = chooseEngine(choice, (shortage) => {
    const leftOut = limit.admit("accept", engine.nowMs());
    if (leftOut === null) return;
    log.warn("clients wait to be accepted", {
      reason: shortage,
      ...(leftOut > 0 ? { left_out: leftOut } : {}),
    });
  });
  log.info("engine", { engine: engine.name, reason });
  return { engine, reason };
}
