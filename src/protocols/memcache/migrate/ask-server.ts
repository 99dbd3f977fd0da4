/** Asks a server something on the proxy's own behalf. */
import type { Failure, Link, ReplySink, Upstream } from "../../../api/upstream.ts";
import { VARIANT_TEXT } from "../client/connection-kinds.ts";

/** A server did not answer, or not what it was asked. */
export class AskError extends Error {}

/** @param line without its end. @returns its answer (latin1), which is no error. @throws AskError */
export async function askServer(server: Upstream, line: string): Promise<string> {
  const link = server.connection(0, VARIANT_TEXT);
  await roomOf(link);
  const answer = await send(link, Buffer.from(`${line}\r\n`, "latin1"));
  if (/^(CLIENT_|SERVER_)?ERROR/.test(answer)) throw new AskError(answer.trim());
  return answer;
}

/** What it says of itself under these names; 0: nothing. @throws AskError */
export async function statisticsOf(
  server: Upstream,
): Promise<{ readonly keys: number; readonly bytes: number }> {
  const answer = await askServer(server, "stats");
  const numberOf = (name: string): number =>
    Number(new RegExp(`^STAT ${name} (\\d+)\\r$`, "m").exec(answer)?.[1] ?? 0);
  return { keys: numberOf("curr_items"), bytes: numberOf("bytes") };
}

async function roomOf(link: Link): Promise<void> {
  while (link.isFull || link.refusal !== null) {
    if (link.refusal !== null && link.isRecovering !== true) throw new AskError(link.refusal.text);
    await new Promise<void>((resolve) => {
      link.waitForRoom({ isWoken: false, wakeUp: () => resolve() });
    });
  }
}

function send(link: Link, request: Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    const sink: ReplySink = {
      takesRuns: false,
      onReplies: (_token, _count, bytes, start, end) =>
        resolve(bytes.toString("latin1", start, end)),
      onFailure: (_token, _count, failure: Failure) => reject(new AskError(failure.text)),
    };
    link.send(request, 0, request.length, sink, 0, 1);
  });
}
