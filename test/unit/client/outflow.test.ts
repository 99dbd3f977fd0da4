/** A frontend that streams to its client: it waits for room, and ends the output while the input goes on. */
import { expect, test } from "bun:test";
import { POOL } from "../../../src/api/stats.ts";
import { SESSION_STREAM_HIGH_BYTES, SESSION_STREAM_LOW_BYTES } from "../../../src/base/limits.ts";
import { createRig } from "./session-rig.ts";

const CHUNK = Buffer.alloc(SESSION_STREAM_HIGH_BYTES, "x");

test("it is full with so much unsent, and wakes who waits once little is left", async () => {
  const rig = createRig({ servers: 1 });
  const { session, stream } = rig;
  let woken = 0;
  const waiter = { isWoken: false, wakeUp: () => woken++ };
  stream.room = 1000;
  expect(session.isFull).toBe(false);
  session.push(CHUNK, 0, CHUNK.length);
  expect(session.isFull).toBe(true);
  session.waitForRoom(waiter);
  await rig.settle();
  expect(woken).toBe(0);
  stream.room = session.out.size - SESSION_STREAM_LOW_BYTES;
  session.onDrain();
  await rig.settle();
  expect(woken).toBe(0);
  stream.room = 1;
  session.onDrain();
  await rig.settle();
  expect(woken).toBe(1);
  stream.room = CHUNK.length;
  session.onDrain();
  await rig.settle();
  expect([woken, stream.taken]).toEqual([1, CHUNK.length]);
});

test("the end of the output goes behind what is unsent, once, and the client may go on", async () => {
  const rig = createRig({ servers: 1 });
  const { session, stream } = rig;
  stream.room = 10;
  session.push(CHUNK, 0, CHUNK.length);
  session.endOutput();
  await rig.settle();
  expect(stream.isShut).toBe(false);
  stream.room = CHUNK.length;
  session.onDrain();
  expect([stream.isShut, stream.isClosed, session.canMove]).toEqual([true, false, true]);
  // The engine tells the client's end by closing, then.
  session.onClose("");
  expect(rig.closed()).toBe(true);
  expect([rig.counters[POOL.client_eof], rig.counters[POOL.client_err]]).toEqual([1, 0]);
});

test("a client that has ended stays as long as its frontend wants, and its end counts once", async () => {
  const rig = createRig({ servers: 1 });
  const { session, stream } = rig;
  let ends = 0;
  session.frontend.onInputEnd = () => ++ends > 0;
  session.onEnd();
  await rig.settle();
  expect([ends, stream.isClosed, session.canMove]).toEqual([1, false, true]);
  session.push(CHUNK, 0, 5);
  await rig.settle();
  expect(stream.taken).toBe(5);
  session.finish();
  await rig.settle();
  expect([stream.isClosed, rig.counters[POOL.client_eof]]).toEqual([true, 1]);
});

test("a reset comes when all that was sent has arrived, and the client's end does not hasten it", async () => {
  const rig = createRig({ servers: 1 });
  const { session, stream } = rig;
  const runTimers = (): void => {
    for (const timer of rig.timers.splice(0)) timer();
  };
  stream.room = 10;
  stream.undelivered = 10;
  session.push(CHUNK, 0, CHUNK.length);
  session.finishByReset();
  await rig.settle();
  expect([rig.timers.length, stream.isClosed]).toEqual([0, false]);
  stream.room = CHUNK.length;
  session.onDrain();
  runTimers();
  session.onEnd();
  runTimers();
  expect([stream.isClosed, stream.isShut, stream.taken]).toEqual([false, false, CHUNK.length]);
  stream.undelivered = 0;
  runTimers();
  expect([stream.isReset, rig.closed()]).toEqual([true, true]);
});

test("a client that takes nothing is reset all the same, after a while", async () => {
  const rig = createRig({ servers: 1 });
  const { session, stream } = rig;
  stream.undelivered = 10;
  session.finishByReset();
  await rig.settle();
  let looks = 0;
  for (; !stream.isClosed && looks < 1000; looks++)
    for (const timer of rig.timers.splice(0)) timer();
  expect(stream.isReset).toBe(true);
  // Every millisecond at first, then less and less often.
  expect(looks).toBeLessThan(100);
});

test("the end of a client that moves is counted by its successor", async () => {
  const rig = createRig({ servers: 1 });
  const { session } = rig;
  session.frontend.onInputEnd = () => true;
  session.onEnd();
  await rig.settle();
  session.move.begin(() => {});
  session.move.leave();
  expect(rig.counters[POOL.client_eof]).toBe(0);
});
