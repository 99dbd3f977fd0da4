/** Which engine a worker has, and why. */
import type { EngineChoice } from "../api/config.ts";
import type { ChosenEngine } from "../api/engine.ts";
import { OsError } from "../os/os-error.ts";
import { bunEngine } from "./bun/engine.ts";
import { createUringEngine } from "./uring/engine.ts";
import { testUring } from "./uring/self-test.ts";

/** Once in a process. @param onShort see `createUringEngine` */
export function chooseEngine(
  choice: EngineChoice,
  onShort: (reason: string) => void,
): ChosenEngine {
  if (choice === "bun") return { engine: bunEngine, reason: "it is configured" };
  try {
    testUring();
    const reason = choice === "auto" ? "io_uring works here" : "it is configured";
    return { engine: createUringEngine(onShort), reason };
  } catch (error) {
    if (!(error instanceof OsError)) throw error;
    return { engine: bunEngine, reason: `io_uring cannot be used here: ${error.message}` };
  }
}
