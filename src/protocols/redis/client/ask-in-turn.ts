/** Asks servers what any of them can say, without waiting for one that hangs. */
import type { Failure, Link, ReplySink, Upstream } from "../../../api/upstream.ts";
import { copyOf } from "../../../base/copy-of.ts";
import type { Deadlines } from "../../../base/deadlines.ts";

/** A server that has not answered for so long is not the only one that is asked any more. */
const PATIENCE_MS = 50;

export const NO_SERVER: Failure = {
  kind: "ejected",
  wasSent: false,
  text: "Connection refused (all servers of the pool are ejected, or have lent all connections that they may)",
};
const BUSY: Failure = {
  kind: "timeout",
  wasSent: false,
  text: "too much is waiting for the server that should be asked",
};

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

/**
 * Sends `request` to one of `servers`, over `connectionTo` it, and to the next one as `askInTurn` does, until one has replied.
 * `done` gets the reply, or, when all have failed, why the last one did; maybe after the client has gone.
 */
export function askAnyOf(
  deadlines: Deadlines,
  servers: readonly Upstream[],
  request: Buffer,
  connectionTo: (upstream: Upstream) => Link,
  done: (answer: Buffer | Failure) => void,
): void {
  askInTurn<Buffer | Failure>(
    deadlines,
    servers,
    NO_SERVER,
    (upstream, answered) => {
      const connection = connectionTo(upstream);
      const { refusal } = connection;
      if (refusal !== null || connection.isFull) {
        answered(refusal ?? BUSY, false);
        return;
      }
      const sink = new SingleReply((answer) => answered(answer, Buffer.isBuffer(answer)));
      connection.send(request, 0, request.length, sink, 0, 1);
    },
    done,
  );
}

/** Takes the reply to one request. */
export class SingleReply implements ReplySink {
  readonly takesRuns = false;
  private readonly done: (answer: Buffer | Failure) => void;

  constructor(done: (answer: Buffer | Failure) => void) {
    this.done = done;
  }

  onReplies(_token: number, _count: number, bytes: Buffer, start: number, end: number): void {
    this.done(copyOf(bytes, start, end));
  }

  onFailure(_token: number, _count: number, failure: Failure): void {
    this.done(failure);
  }
}
