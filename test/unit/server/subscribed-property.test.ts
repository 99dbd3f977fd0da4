/** A connection for subscriptions under everything that can happen to it, in any order. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { SERVER } from "../../../src/api/stats.ts";
import type { Failure } from "../../../src/api/upstream.ts";
import { create, MESSAGE } from "./subscribed-rig.ts";
import type { FakeSocket } from "./upstream-rig.ts";

const FAILURE: Failure = { kind: "ejected", wasSent: false, text: "failed too often" };

const event = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom("opens", "says", "says", "part") },
  { weight: 2, arbitrary: fc.constantFrom("retry", "clock", "turn", "ask") },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      ...["open", "refused", "hangsUp", "garbage", "takeDown", "giveUp", "late", "listener"],
    ),
  },
);

/** What the listener does when it hears of the next message. */
const reaction = fc.constantFrom("discard", "reset", "takeDown", "leave", "nothing", "nothing");

test("messages are heard whole, and nothing of an old connection on a new one", async () => {
  const seen = { messages: 0, ups: 0, downs: 0 };
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(event, reaction), { maxLength: 60, size: "max" }),
      fc.boolean(),
      async (events, isAdopted) => {
        let onMessage = (): void => {};
        const rig = create({ onMessage: () => onMessage() });
        const { connection, attempts, timers, heard, counters, turn, deadlines } = rig;
        const react: Record<string, () => void> = {
          discard: () => connection.discard(),
          reset: () => connection.resetProtocol(),
          takeDown: () => connection.takeDown(FAILURE, FAILURE),
          leave: () => connection.leave(),
          nothing: () => {},
        };
        let socket: FakeSocket | null = null;
        let tried = 0;
        let unread = "";
        const isHeard = (): boolean => socket?.isClosed === false && !socket.isDetached;
        const says = (text: string): void => {
          if (isHeard()) socket!.says(text);
        };
        const answerProbe = (): void => {
          if (!connection.isUp) says("+PONG\r\n");
          unread = "";
        };
        if (isAdopted) {
          connection.adopt({ fd: 9, unread: Buffer.from(MESSAGE.substring(0, 7)) });
          socket = rig.adopted();
          says(MESSAGE.substring(7));
        } else connection.open();
        for (const [what, then] of events) {
          if (what === "opens" || what === "refused") {
            const attempt = attempts[tried];
            if (attempt === undefined) continue;
            tried++;
            if (attempt.isAbandoned) continue;
            if (what === "refused") attempt.events.onError("ECONNREFUSED");
            else {
              socket = attempt.opens();
              answerProbe();
            }
          } else if (what === "says") {
            says(`${MESSAGE.substring(unread.length)}${MESSAGE}`);
            unread = "";
          } else if (what === "part") {
            const part = MESSAGE.substring(unread.length, unread.length + 9);
            says(part);
            unread = unread.length + part.length === MESSAGE.length ? "" : unread + part;
          } else if (what === "retry") timers.findLast((each) => !each.isCancelled)?.callback();
          else if (what === "clock" || what === "late") {
            turn.atMs += what === "late" ? 1000 : 10;
            deadlines.reach(turn.atMs);
          } else if (what === "turn") await new Promise((resolve) => setImmediate(resolve));
          else if (what === "ask") {
            if (connection.isUp) connection.ask(Buffer.from("*1\r\n$4\r\nPING\r\n"));
          } else if (what === "open") connection.open();
          else if (what === "hangsUp") socket?.hangsUp();
          else if (what === "garbage") says("nonsense\r\n");
          else if (what === "takeDown") connection.takeDown(FAILURE, FAILURE);
          else if (what === "giveUp") connection.giveUp(1000);
          else {
            onMessage = () => {
              onMessage = () => {};
              react[then]!();
            };
          }
        }
        connection.discard();
        const messages = heard.filter((each) => each.startsWith("*"));
        expect(messages.filter((each) => each !== MESSAGE)).toEqual([]);
        expect(heard.filter((each) => each === "gone")).toHaveLength(1);
        expect(counters[SERVER.server_connections]).toBe(0);
        expect(timers.filter(({ isCancelled }) => !isCancelled)).toEqual([]);
        seen.messages += messages.length;
        seen.ups += heard.filter((each) => each === "up").length;
        seen.downs += heard.filter((each) => each.startsWith("down")).length;
      },
    ),
    { numRuns: 300 },
  );
  // The dice must leave nothing out.
  expect(Math.min(...Object.values(seen))).toBeGreaterThan(100);
}, 60_000);
