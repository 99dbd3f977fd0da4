/** Asks a server something on the proxy's own behalf. */
import type { Failure, Link, ReplySink } from "../../../api/upstream.ts";
import { type Decoded, decodeReply, ReplyError } from "../codec/decode.ts";

/** A server did not answer, or not what it was asked. */
export class AskError extends Error {}

/** @returns its answer, which is no error. @throws AskError */
export async function askServer(link: Link, request: Buffer): Promise<Decoded> {
  await roomOf(link);
  const answer = await send(link, request);
  if (answer instanceof ReplyError) throw new AskError(answer.text);
  return answer;
}

/** The databases that have keys, by the answer to INFO keyspace, and how many. @throws AskError */
export function keyspaceOf(
  answer: Decoded,
): readonly (readonly [database: number, keys: number])[] {
  if (!Buffer.isBuffer(answer)) throw new AskError("it does not tell which databases it has");
  const found = [...answer.toString("latin1").matchAll(/^db(\d+):keys=(\d+)/gm)];
  return found.map(([, name, keys]) => [Number(name), Number(keys)] as const);
}

async function roomOf(link: Link): Promise<void> {
  while (link.isFull || link.refusal !== null) {
    if (link.refusal !== null && link.isRecovering !== true) throw new AskError(link.refusal.text);
    await new Promise<void>((resolve) => {
      link.waitForRoom({ isWoken: false, wakeUp: () => resolve() });
    });
  }
}

function send(link: Link, request: Buffer): Promise<Decoded> {
  return new Promise((resolve, reject) => {
    const sink: ReplySink = {
      takesRuns: false,
      onReplies: (_token, _count, bytes, start, end) => {
        resolve(decodeReply(Buffer.from(bytes.subarray(start, end)), 0));
      },
      onFailure: (_token, _count, failure: Failure) => reject(new AskError(failure.text)),
    };
    link.send(request, 0, request.length, sink, 0, 1);
  });
}
