/** Asks servers what any of them can say, without waiting for one that hangs. */
import type { Upstream } from "../../../../api/upstream.ts";
import type { Deadlines } from "../../../../base/deadlines.ts";

/** A server that has not answered for so long is not the only one that is asked any more. */
const PATIENCE_MS = 50;

/**
 * Asks `servers`, first to last: the next one when one fails, or has not answered yet after PATIENCE_MS. `done` is called
 * once, maybe at once: with the first answer that is final, or, when all have failed, with the last.
 * @param ask must call back once, maybe at once; `isFinal`: no other server need be asked
 * @param nothing the answer when there is no server
 */
export function askInTurn<Answer>(
  deadlines: Deadlines,
  servers: readonly Upstream[],
  nothing: Answer,
  ask: (upstream: Upstream, answered: (answer: Answer, isFinal: boolean) => void) => void,
  done: (answer: Answer) => void,
): void {
  let asked = 0;
  let unanswered = 0;
  let isDone = false;
  let last = nothing;
  const finish = (answer: Answer): void => {
    isDone = true;
    patience.cancel();
    done(answer);
  };
  const next = (): void => {
    const upstream = servers[asked];
    if (upstream === undefined) {
      if (unanswered === 0) finish(last);
      return;
    }
    asked++;
    unanswered++;
    patience.set(deadlines.nowMs + PATIENCE_MS);
    ask(upstream, (answer, isFinal) => {
      if (isDone) return;
      unanswered--;
      last = answer;
      if (isFinal) finish(answer);
      else next();
    });
  };
  const patience = deadlines.create(() => next());
  next();
}
