/** What a protocol of a module asks of servers in its own words. */
import type { Reply, Server } from "proxy/module";
import type { Failure, Link, ReplySink } from "../api/upstream.ts";
import { copyOf } from "../base/copy-of.ts";
import { MessageView } from "./message.ts";
import type { Asked } from "./proxied-request.ts";

/** Thrown to authors: a server did not answer. */
export class ServerError extends Error {
  override readonly name: string = "ServerError";
}

export type Answer = Buffer | Failure;

/** The last of the replies to `count` requests is what counts; that any of them fails, too. */
export class AnswerSink implements ReplySink {
  readonly takesRuns: boolean = false;
  private readonly count: number;
  private readonly whenDone: (answer: Answer) => void;
  private isDone = false;

  /** @param whenDone called once, with a copy of the reply */
  constructor(count: number, whenDone: (answer: Answer) => void) {
    this.count = count;
    this.whenDone = whenDone;
  }

  onReplies(token: number, _count: number, bytes: Buffer, start: number, end: number): void {
    if (token === this.count - 1) this.done(copyOf(bytes, start, end));
  }

  onFailure(_token: number, _count: number, failure: Failure): void {
    this.done(failure);
  }

  private done(answer: Answer): void {
    if (this.isDone) return;
    this.isDone = true;
    this.whenDone(answer);
  }
}

/** Sends `asked`; calls back once, maybe at once. */
export function ask(connection: Link, asked: Asked, whenDone: (answer: Answer) => void): void {
  const { refusal } = connection;
  if (refusal !== null) {
    whenDone(refusal);
    return;
  }
  const { bytes, count } = asked;
  connection.send(bytes, 0, bytes.length, new AnswerSink(count, whenDone), 0, count);
}

/** The same, of `server`. @throws ServerError */
export function askFor(server: Server, connection: Link, asked: Asked): Promise<Reply> {
  return new Promise((resolve, reject) => {
    ask(connection, asked, (answer) => {
      if (Buffer.isBuffer(answer)) resolve(replyIn(answer, server));
      else reject(new ServerError(answer.text));
    });
  });
}

class ReplyView extends MessageView implements Reply {
  readonly server: Server;

  constructor(server: Server) {
    super();
    this.server = server;
  }
}

/** The reply of `server` that is all of `bytes`. */
export function replyIn(bytes: Buffer, server: Server): Reply {
  return new ReplyView(server).bind(bytes, 0, bytes.length);
}
