import { expect, test } from "bun:test";
import type { ConnectEvents } from "../../../src/api/engine.ts";
import { ConnectGate } from "../../../src/server/connect-gate.ts";
import { type Attempt, attemptRecorder } from "./upstream-rig.ts";

const NO_EVENTS = { onOpen() {}, onError() {} };

function rig(max: number) {
  const gate = new ConnectGate(max);
  const attempts: Attempt[] = [];
  const connect = attemptRecorder(attempts);
  const streamEvents = { onBytes() {}, onDrain() {}, onEnd() {}, onClose() {} };
  const heard: string[] = [];
  return {
    ...{ attempts, heard },
    pass: (name = "") => {
      const events: ConnectEvents = {
        onOpen: () => heard.push(`${name} open`),
        onError: (cause) => heard.push(`${name} ${cause}`),
      };
      return gate.pass(name === "" ? NO_EVENTS : events, (passed) =>
        connect(passed, streamEvents, false),
      );
    },
  };
}

test("so many attempts are under way at once, and the others follow in their order", () => {
  const { pass, attempts, heard } = rig(2);
  for (const name of ["a", "b", "c", "d", "e"]) pass(name);
  expect(attempts.length).toBe(2);
  attempts[1]!.opens();
  expect(attempts.length).toBe(3);
  attempts[0]!.events.onError("ECONNREFUSED");
  attempts[2]!.opens();
  expect(attempts.length).toBe(5);
  expect(heard).toEqual(["b open", "a ECONNREFUSED", "c open"]);
});

test("an attempt that is given up makes room, or leaves the line", () => {
  const { pass, attempts, heard } = rig(1);
  const first = pass("a");
  const second = pass("b");
  pass("c");
  second.abandon();
  second.abandon();
  expect(attempts.length).toBe(1);
  first.abandon();
  first.abandon();
  expect([attempts[0]!.isAbandoned, attempts.length]).toEqual([true, 2]);
  attempts[1]!.opens();
  expect(heard).toEqual(["c open"]);
  pass("d");
  expect(attempts.length).toBe(3);
});
