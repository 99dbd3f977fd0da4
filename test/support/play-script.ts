/** Plays a random script over one connection and returns the bytes of every reply, step by step. */
import { cut, sendInPieces } from "./chunked-client.ts";
import { isRefusedAnyway, isRefusedEarlier, isSameReply } from "./known-differences.ts";
import { encode, isScan, type Step } from "./random-commands.ts";
import type { Script } from "./random-scripts.ts";
import { RespClient, replyEnd, show } from "./resp-client.ts";
import type { Endpoint } from "./server-process.ts";

const DEADLINE_MS = 20_000;
/** A scan of a few keys that needs more rounds does not end. */
const SCAN_ROUNDS_MAX = 1_000;

/** Ends whatever state the script left behind; one reply each. */
const ENDING = ["RESET"];
/** A client that asked for no replies gets one to this. */
const THE_END = "the end";

/**
 * Replies by step. Those to what ends the script stand in one more step.
 * @throws when replies are missing or too many, or the connection is closed.
 */
export async function play(
  endpoint: Endpoint,
  { version, blocks, cuts }: Pick<Script, "version" | "blocks" | "cuts">,
): Promise<Buffer[][]> {
  const client = await RespClient.connect(endpoint, DEADLINE_MS);
  const steps = blocks.flat();
  const replies: Buffer[][] = [];
  try {
    if (version === 3) {
      const hello = await client.ask("HELLO", "3");
      if (!hello.startsWith("%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n")) throw new Error(hello);
    }
    for (const segment of segments(steps, cuts === null)) {
      const [first] = segment;
      if (first !== undefined && isScan(first)) replies.push(await scan(client, first));
      else await exchangeSegment(client, segment, cuts ?? [], replies);
    }
    replies.push(await end(client));
    return replies;
  } catch (error) {
    const at = replies.length;
    const step = steps[at];
    const where = step === undefined ? "the end" : `step ${at}, ${show(latin1(step.request))}`;
    throw new Error(`${where}: ${(error as Error).message}`);
  } finally {
    client.close();
  }
}

/** Sends steps in one stream, cut into pieces, and adds the replies of each to `replies`. */
async function exchangeSegment(
  client: RespClient,
  steps: readonly Step[],
  cuts: readonly number[],
  replies: Buffer[][],
): Promise<void> {
  const bytes = latin1(steps.map((step) => step.request).join(""));
  const sending = sendInPieces(client, cut(bytes, [...cuts]));
  // Whoever waits for a reply that never comes reports that; an error here would only hide it.
  sending.catch(() => {});
  for (const step of steps) replies.push(await client.replies(step.replies));
  await sending;
}

/** Runs of steps that can be sent without looking at a reply; or every step by itself. */
function* segments(steps: readonly Step[], oneByOne: boolean): Iterable<readonly Step[]> {
  let run: Step[] = [];
  for (const step of steps) {
    if (!(oneByOne || isScan(step))) {
      run.push(step);
      continue;
    }
    if (run.length > 0) yield run;
    run = [];
    yield [step];
  }
  if (run.length > 0) yield run;
}

/**
 * Goes on until the cursor is 0, and returns what was found, sorted and without repetitions: order and pieces depend
 * on a random seed. An error is returned as it is.
 */
async function scan(client: RespClient, step: Step): Promise<Buffer[]> {
  const cursorAt = step.args[0]?.length === 4 ? 1 : 2;
  const found = new Set<string>();
  let request = step.request;
  for (let round = 0; round < SCAN_ROUNDS_MAX; round++) {
    client.send(latin1(request));
    const reply = await client.reply();
    const [cursor, elements] = scanned(reply);
    if (cursor === null) return [reply];
    const isPairs = /^[HZ]/i.test(step.args[0] ?? "");
    for (let at = 0; at < elements.length; at += isPairs ? 2 : 1) {
      found.add(elements.slice(at, at + (isPairs ? 2 : 1)).join("\0"));
    }
    if (cursor === "0") return [...found].sort().map((element) => latin1(element));
    request = encode(step.args.map((arg, at) => (at === cursorAt ? cursor : arg)));
  }
  throw new Error(`${step.args.join(" ")}: no end after ${SCAN_ROUNDS_MAX} rounds`);
}

/** The cursor and the elements of a reply to SCAN and the like; null if it is none. */
function scanned(reply: Buffer): [cursor: string | null, elements: string[]] {
  const head = /^\*2\r\n\$\d+\r\n(\d+)\r\n\*\d+\r\n/.exec(reply.toString("latin1", 0, 100));
  if (head === null) return [null, []];
  const elements: string[] = [];
  for (let at = head[0].length; at < reply.length; ) {
    const next = replyEnd(reply, at);
    elements.push(reply.toString("latin1", at, next));
    at = next;
  }
  return [head[1] ?? null, elements];
}

/** Leaves every state that the script may have left open, and sees that nothing but the last replies comes. */
async function end(client: RespClient): Promise<Buffer[]> {
  const last = ENDING.map((name) => encode([name])).join("") + encode(["ECHO", THE_END]);
  client.send(latin1(last));
  const replies = await client.replies(ENDING.length + 1);
  const echoed = replies.at(-1)?.toString("latin1");
  if (echoed === `$${THE_END.length}\r\n${THE_END}\r\n`) return replies;
  throw new Error(`other replies at the end than expected: ${replies.map(show).join(" ")}`);
}

/** @throws at the first reply that is not the same, but for known differences. */
export function compareReplies(
  { blocks, spread }: Pick<Script, "blocks" | "spread">,
  wanted: readonly (readonly Buffer[])[],
  got: readonly (readonly Buffer[])[],
): void {
  for (const [at, step] of blocks.flat().entries()) {
    const want = wanted[at] ?? [];
    const have = got[at] ?? [];
    const isSame =
      want.length === have.length &&
      want.every((reply, index) => {
        const other = have[index] ?? Buffer.alloc(0);
        if (spread !== "anywhere" && isRefusedAnyway(reply, other)) return true;
        return isSameReply(reply, other, step.looseness);
      });
    if (isSame) continue;
    const [first, other] = [want[0], have[0]];
    if (first !== undefined && other !== undefined && spread !== "anywhere") {
      if (isRefusedEarlier(step.args[0] ?? "", first, other)) return;
    }
    const [left, right] = [want, have].map((replies) => replies.map(show).join(" "));
    throw new Error(`step ${at}, ${show(latin1(step.request))}:\n  want ${left}\n  got  ${right}`);
  }
}

function latin1(text: string): Buffer {
  return Buffer.from(text, "latin1");
}
