/** Whatever is awaited from a server has a deadline, whatever happened before. */

import { expect, test } from "bun:test";
import fc from "fast-check";
import { connectionKind, type Lease } from "../../../src/api/upstream.ts";
import { createLeaseRig, type LeaseRig } from "./lease-rig.ts";
import {
  answersTo,
  createConnectionRig,
  type FakeSocket,
  GET,
  questionsIn,
  RecordingSink,
} from "./upstream-rig.ts";

const TIMEOUT_MS = 100;

type Event =
  | { readonly kind: "send" | "hangsUp" | "turn" | "block" | "unblock" }
  | { readonly kind: "answers"; readonly count: number }
  | { readonly kind: "pass"; readonly ms: number };

const event: fc.Arbitrary<Event> = fc.oneof(
  { weight: 8, arbitrary: fc.constant({ kind: "send" as const }) },
  { weight: 6, arbitrary: fc.constant({ kind: "turn" as const }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("answers" as const),
      count: fc.integer({ min: 1, max: 6 }),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("pass" as const),
      ms: fc.integer({ min: 1, max: 150 }),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: "hangsUp" as const }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom({ kind: "block" } as const, { kind: "unblock" } as const),
  },
);
const history = fc.array(event, { maxLength: 80, size: "max" });

/** Requests whose sink has heard nothing yet. */
class Waiting {
  readonly sink: RecordingSink = new RecordingSink();
  readonly sentMs: number[] = [];

  /** When the oldest of them was sent; Infinity: there is none. */
  get oldestMs(): number {
    const { settled } = this.sink;
    return this.sentMs.find((_, token) => !settled.has(token)) ?? Number.POSITIVE_INFINITY;
  }

  /** @returns the token of a request that is sent now */
  add(nowMs: number): number {
    return this.sentMs.push(nowMs) - 1;
  }
}

/** The server answers `count` more of what it has received, of which it has answered `answered`. */
function answer(socket: FakeSocket, answered: number, count: number): number {
  const answers = answersTo(socket.received, () => "+x\r\n").slice(answered, answered + count);
  if (answers.length > 0 && !socket.isClosed) socket.says(answers.join(""));
  return answered + answers.length;
}

test("a request on a shared connection has a deadline no later than its timeout", async () => {
  let questions = 0;
  await fc.assert(
    fc.asyncProperty(history, async (events) => {
      const rig = createConnectionRig({ timeoutMs: TIMEOUT_MS });
      const { connection, turn, deadlines } = rig;
      const waiting = new Waiting();
      let socket: FakeSocket | null = null;
      let opened = 0;
      let answered = 0;
      for (const each of events) {
        if (each.kind === "send" && connection.refusal === null) {
          connection.send(GET, 0, GET.length, waiting.sink, waiting.add(turn.atMs), 1);
        } else if (each.kind === "answers" && socket !== null) {
          answered = answer(socket, answered, each.count);
        } else if (each.kind === "pass") deadlines.reach(turn.atMs + each.ms);
        else if (each.kind === "hangsUp") socket?.hangsUp();
        else if (each.kind === "turn") await rig.endTurn();
        expect(deadlines.nextMs).toBeLessThanOrEqual(waiting.oldestMs + TIMEOUT_MS);
        if (connection.refusal !== null) rig.timers.at(-1)!.callback();
        if (rig.attempts.length === opened) continue;
        opened = rig.attempts.length;
        questions += questionsIn(socket?.received ?? "");
        socket = await rig.opened();
        answered = 0;
      }
    }),
    { numRuns: 400 },
  );
  // The dice must not leave them out.
  expect(questions).toBeGreaterThan(100);
});

/** A lease as another process left it, with a request on it. */
async function adopt(
  rig: LeaseRig,
  waiting: Waiting,
): Promise<{ lease: Lease; socket: FakeSocket }> {
  const lease = rig.pool.adopt(9, connectionKind(0), "10.0.0.1");
  lease.expect(waiting.sink, waiting.add(rig.turn.atMs));
  expect(rig.deadlines.nextMs).toBeLessThanOrEqual(waiting.oldestMs + TIMEOUT_MS);
  const socket = rig.adoptions[0]!.opens()!;
  await rig.endTurn();
  return { lease, socket };
}

test("a request on a lease has one, too, unless it may block; also one that another process has sent", async () => {
  let timedOut = 0;
  await fc.assert(
    fc.asyncProperty(history, fc.boolean(), async (events, isAdopted) => {
      const rig = createLeaseRig({ timeoutMs: TIMEOUT_MS });
      const { turn, deadlines } = rig;
      const waiting = new Waiting();
      const { lease, socket } = await (isAdopted ? adopt(rig, waiting) : rig.lend());
      let answered = 0;
      for (const each of events) {
        if (lease.refusal !== null) break;
        if (each.kind === "send") {
          lease.send(GET, 0, GET.length, waiting.sink, waiting.add(turn.atMs), 1);
        } else if (each.kind === "answers") answered = answer(socket, answered, each.count);
        else if (each.kind === "pass") deadlines.reach(turn.atMs + each.ms);
        else if (each.kind === "hangsUp") socket.hangsUp();
        else if (each.kind === "turn") await rig.endTurn();
        else lease.mayBlock = each.kind === "block";
        const isLimited = !lease.mayBlock && lease.refusal === null;
        if (isLimited) {
          expect(deadlines.nextMs).toBeLessThanOrEqual(waiting.oldestMs + TIMEOUT_MS);
        }
      }
      timedOut += [...waiting.sink.failures.values()].filter(
        ({ kind }) => kind === "timeout",
      ).length;
    }),
    { numRuns: 300 },
  );
  expect(timedOut).toBeGreaterThan(100);
});
