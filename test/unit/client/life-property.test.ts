/**
 * A session whose client leaves, whose worker drains or hands clients over, at any moment and in any order: what the client gets is
 * the beginning of what it is owed, all of it unless the connection is cut, and no state follows one that it may not follow.
 */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { LIFE } from "../../../src/client/session-states.ts";
import { createRig, multibulk, type Rig } from "./session-rig.ts";

const SERVERS = 2;
const KEYS = ["v0", "v1", "vx0", "vx1"];

const EVENTS = ["input", "answer", "turn", "end", "drain", "move", "stay", "wake", "full", "room"];
const RARE = ["quit", "close", "reset", "lost", "timer", "leave"];

interface Step {
  readonly kind: string;
  readonly number: number;
}

const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom("input", "answer", "turn") },
    { weight: 2, arbitrary: fc.constantFrom(...EVENTS) },
    { weight: 1, arbitrary: fc.constantFrom(...RARE) },
  ),
  number: fc.nat({ max: 30 }),
});

/** What the test knows of one client. */
class Play {
  readonly rig: Rig;
  private readonly seen: Set<number>;
  expected = "";
  hasEnded = false;
  /** Its last request is given, or the worker drains: what comes behind may be left unanswered. */
  mayIgnore = false;
  isCut = false;
  isMoved = false;

  constructor(rig: Rig, seen: Set<number>) {
    this.rig = rig;
    this.seen = seen;
  }

  async do({ kind, number }: Step): Promise<void> {
    const { session, stream, connections, timers } = this.rig;
    if (stream.isClosed || this.isMoved) return;
    const connection = connections[number % SERVERS]!;
    if (kind === "input" && !this.hasEnded && !stream.isPaused) this.input(number);
    else if (kind === "quit" && !this.hasEnded && !stream.isPaused) this.quit();
    else if (kind === "answer") connection.answer(number);
    else if (kind === "turn") await this.rig.turn();
    else if (kind === "end") this.end();
    else if (kind === "drain") {
      this.mayIgnore = true;
      session.drain();
    } else if (kind === "move" && session.canMove) session.move.begin(() => {});
    else if (kind === "stay" && session.canMove) session.move.cancel();
    else if (kind === "wake") session.wakeUp();
    else if (kind === "full") connection.isFull = true;
    else if (kind === "room") connection.makeRoom();
    else if (kind === "close") this.cut(() => session.close());
    else if (kind === "reset") {
      this.mayIgnore = true;
      stream.undelivered = number;
      session.finishByReset();
    } else if (kind === "lost") {
      stream.isClosed = true;
      this.cut(() => session.onClose("ECONNRESET"));
    } else if (kind === "timer") for (const timer of timers.splice(0)) timer();
    else if (kind === "leave") this.leave();
    this.look();
  }

  private input(count: number): void {
    const keys = Array.from({ length: count + 1 }, (_, i) => KEYS[i % KEYS.length]!);
    this.expected += keys.map((key) => `$${key.length + 2}\r\n<${key}>\r\n`).join("");
    this.rig.input(keys.map((key) => multibulk(["GET", key])).join(""));
  }

  private quit(): void {
    this.expected += "+OK\r\n";
    this.mayIgnore = true;
    this.rig.input(multibulk(["QUIT"]));
  }

  private end(): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    this.rig.session.onEnd();
  }

  private cut(close: () => void): void {
    this.isCut = true;
    close();
  }

  private leave(): void {
    const { session } = this.rig;
    if (!session.move.isUnderWay || !session.isReadyToMove) return;
    this.isMoved = true;
    session.move.save();
    session.move.leave();
  }

  look(): void {
    this.seen.add((this.rig.session.life as unknown as { state: number }).state);
  }

  /** All servers answer, and the client reads and goes. */
  async finish(): Promise<void> {
    const { rig } = this;
    const { session, stream } = rig;
    if (!this.isMoved && session.canMove) session.move.cancel();
    await rig.settle();
    this.look();
    if (!stream.isClosed && !this.isMoved) session.onEnd();
    await rig.settle();
    this.look();
    stream.undelivered = 0;
    for (const timer of rig.timers.splice(0)) timer();
    this.look();
  }
}

test("whatever ends a session, and whenever: it gets what it is owed, and is closed", async () => {
  const seen = new Set<number>();
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 40, size: "max" }),
      fc.boolean(),
      async (steps, isStable) => {
        const rig = createRig({ servers: SERVERS });
        rig.isReceivedStable = isStable;
        const play = new Play(rig, seen);
        for (const each of steps) await play.do(each);
        await play.finish();
        const { output, isClosed } = rig.stream;
        expect(play.expected.startsWith(output)).toBe(true);
        if (!play.isCut && !play.isMoved && !play.mayIgnore) expect(output).toBe(play.expected);
        expect(rig.closed()).toBe(true);
        expect(isClosed).toBe(!play.isMoved);
      },
    ),
    { numRuns: 500 },
  );
  expect([...seen].map((state) => LIFE.nameOf(state)).sort()).toEqual([
    "closed",
    "draining",
    "ended",
    "finishing",
    "leaving",
    "lingering",
    "resetting",
    "serving",
  ]);
}, 120_000);
