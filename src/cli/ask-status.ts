/** What the running proxy says of itself. */
import { type Answer, type ControlFlags, callProxy } from "./control-client.ts";

/** The supervisor has no long jobs: one that is silent for so long hangs. */
const TIMEOUT_MS = 5_000;
/** It may just be replacing itself, which ends the connections of all callers but the one that asked for it. */
const ATTEMPTS = 3;

export async function askStatus(flags: ControlFlags): Promise<Answer> {
  let answer: Answer = { kind: "gone" };
  for (let attempt = 0; attempt < ATTEMPTS && answer.kind === "gone"; attempt += 1) {
    answer = await callProxy(
      flags,
      { verb: "status" },
      { timeoutMs: TIMEOUT_MS, untilGone: false },
    );
  }
  return answer;
}
