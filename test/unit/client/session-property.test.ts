/** One session under everything that can happen to it, in any order, held against a model server. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { TOKEN_MASK } from "../../../src/api/client-port.ts";
import { answerTo, createRig, multibulk, type Rig, serverOf } from "./session-rig.ts";

const SERVERS = 3;

/** What a client must get for a request, as one model server would say it. */
function expected(args: readonly string[]): string {
  const name = args[0]!.toUpperCase();
  if (name === "PING") return "+PONG\r\n";
  if (name === "NOSUCH") return "-ERR unknown command 'NOSUCH', with args beginning with: \r\n";
  const step = name === "MSET" ? 2 : 1;
  const isSplit = ["MGET", "MSET", "DEL"].includes(name);
  const keys = isSplit ? args.filter((_, i) => i > 0 && (i - 1) % step === 0) : [args[1]!];
  // The parts, in the order in which the keys name their servers: the first fault is told.
  for (const server of new Set(keys.map((key) => serverOf(key, SERVERS)))) {
    const part = keys.filter((key) => serverOf(key, SERVERS) === server);
    const reply = answerTo(
      [name, ...part.flatMap((key) => (step === 2 ? [key, ""] : [key]))],
      server,
    );
    if (reply === null) return `-ERR lost ${server}\r\n`;
    if (reply.startsWith("-")) return reply;
  }
  return answerTo(args, -1)!;
}

/** The same of all of them, by what the client wants to hear (CLIENT REPLY). */
function expectedOf(commands: readonly (readonly string[])[]): string {
  let isOff = false;
  let isSkipping = false;
  let replies = "";
  for (const args of commands) {
    const isSkipped = isSkipping;
    isSkipping = false;
    const what = args.join(" ");
    if (what === "CLIENT REPLY ON") {
      isOff = false;
      replies += "+OK\r\n";
    } else if (what === "CLIENT REPLY OFF") isOff = true;
    else if (what === "CLIENT REPLY SKIP") isSkipping = !isOff;
    else if (what === "RESET") {
      isOff = false;
      if (!isSkipped) replies += "+RESET\r\n";
    } else if (!isOff && !isSkipped) replies += expected(args);
  }
  return replies;
}

const key = fc
  .tuple(
    fc.constantFrom("v", "v", "v", "v", "v", "n", "f", "e"),
    fc.constantFrom("", "x", "y".repeat(50)),
    fc.integer({ min: 0, max: 9 }),
  )
  .map(([kind, middle, digit]) => `${kind}${middle}${digit}`);
const value = fc.constantFrom("", "1", "\r\n", "w".repeat(300), "L".repeat(70_000));
const command: fc.Arbitrary<readonly string[]> = fc.oneof(
  { weight: 6, arbitrary: key.map((each) => ["GET", each]) },
  { weight: 2, arbitrary: fc.tuple(key, value).map(([each, text]) => ["SET", each, text]) },
  {
    weight: 3,
    arbitrary: fc.array(key, { minLength: 1, maxLength: 9 }).map((all) => ["MGET", ...all]),
  },
  {
    weight: 2,
    arbitrary: fc.array(key, { minLength: 1, maxLength: 9 }).map((all) => ["dEl", ...all]),
  },
  {
    weight: 2,
    arbitrary: fc
      .array(fc.tuple(key, value), { minLength: 1, maxLength: 5 })
      .map((all) => ["MSET", ...all.flat()]),
  },
  { weight: 1, arbitrary: fc.constantFrom(["PING"], ["NOSUCH"]) },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      ...["ON", "OFF", "SKIP", "SKIP"].map((wanted) => ["CLIENT", "REPLY", wanted]),
      ["RESET"],
    ),
  },
);

type Event =
  | { readonly kind: "input"; readonly size: number }
  | { readonly kind: "answer"; readonly server: number; readonly count: number }
  | { readonly kind: "turn" }
  | { readonly kind: "room"; readonly bytes: number }
  | { readonly kind: "full" | "free"; readonly server: number };

const server = fc.integer({ min: 0, max: SERVERS - 1 });
const event: fc.Arbitrary<Event> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("input" as const),
      size: fc.oneof(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 60, max: 100_000 })),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("answer" as const),
      server,
      count: fc.integer({ min: 1, max: 12 }),
    }),
  },
  { weight: 4, arbitrary: fc.constant({ kind: "turn" as const }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("room" as const),
      bytes: fc.constantFrom(0, 1, 100, 1_000_000),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constantFrom("full" as const, "free" as const), server }),
  },
);

async function play(rig: Rig, event: Event, feed: (size: number) => void): Promise<void> {
  const { stream, connections, session } = rig;
  if (event.kind === "turn") await rig.turn();
  else if (event.kind === "answer") connections[event.server]!.answer(event.count);
  else if (event.kind === "full") connections[event.server]!.isFull = true;
  else if (event.kind === "free") connections[event.server]!.makeRoom();
  else if (event.kind === "room") {
    stream.room = event.bytes;
    if (event.bytes > 0) session.onDrain();
  } else if (event.kind === "input" && !stream.isPaused) feed(event.size);
}

/** As after so many requests. */
function startTokensAt({ session }: Rig, token: number): void {
  (session.ring as unknown as { head: number }).head = token;
}

test("every request gets its own reply, in order, whatever comes in between", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(command, { minLength: 1, maxLength: 40, size: "max" }),
      fc.array(event, { maxLength: 60, size: "max" }),
      fc.option(fc.integer({ min: 0, max: 40 }), { nil: null }),
      fc.boolean(),
      async (commands, events, wrapsAfter, isReceivedStable) => {
        const rig = createRig({ servers: SERVERS });
        rig.isReceivedStable = isReceivedStable;
        if (wrapsAfter !== null) startTokensAt(rig, TOKEN_MASK - wrapsAfter);
        const bytes = Buffer.from(commands.map(multibulk).join(""), "latin1");
        let sent = 0;
        const feed = (size: number): void => {
          const chunk = bytes.subarray(sent, sent + size);
          sent += chunk.length;
          if (chunk.length > 0) rig.receive(chunk);
        };
        for (const each of events) await play(rig, each, feed);
        rig.stream.room = Number.POSITIVE_INFINITY;
        rig.session.onDrain();
        for (const connection of rig.connections) connection.makeRoom();
        for (let i = 0; sent < bytes.length; i++) {
          if (!rig.stream.isPaused) feed(bytes.length);
          await rig.settle();
          expect(i).toBeLessThan(1000);
        }
        await rig.settle();
        expect(rig.stream.output).toBe(expectedOf(commands));
        expect(rig.session.isIdle).toBe(true);
        expect(rig.stream.isPaused).toBe(false);
      },
    ),
    { numRuns: 250 },
  );
}, 120_000);
