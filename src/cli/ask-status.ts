/** What the running proxy says of itself. */
import { unknownPool } from "../config/known-pool.ts";
import { type Answer, type ControlFlags, callProxy } from "./control-client.ts";

/** The supervisor has no long jobs: one that is silent for so long hangs. */
const TIMEOUT_MS = 5_000;
/** It may just be replacing itself, which ends the connections of all callers but the one that asked for it. */
const ATTEMPTS = 3;

/** @param pool which the user named; an answer says so if it is not there. Absent: all pools are meant */
export async function askStatus(flags: ControlFlags, pool?: string): Promise<Answer> {
  let answer: Answer = { kind: "gone" };
  for (let attempt = 0; attempt < ATTEMPTS && answer.kind === "gone"; attempt += 1) {
    answer = await callProxy(
      flags,
      { verb: "status" },
      { timeoutMs: TIMEOUT_MS, untilGone: false },
    );
  }
  if (answer.kind !== "result" || !answer.result.ok || answer.result.verb !== "status")
    return answer;
  const names = (answer.result.status.pools ?? []).map(({ name }) => name);
  const problem = unknownPool(pool ?? null, names);
  if (problem === null) return answer;
  return { ...answer, result: { ok: false, problems: [problem] } };
}
