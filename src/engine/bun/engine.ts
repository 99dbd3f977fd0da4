/** The engine that is made of Bun's event loop and sockets. */
import type { Engine } from "../../api/engine.ts";
import { schedule } from "../../base/schedule.ts";
import { adoptStream } from "./adopt.ts";
import { connectTo } from "./connect.ts";
import { acceptOn } from "./listen.ts";

export const bunEngine: Engine = {
  name: "bun",
  nowMs: () => performance.now(),
  epochMs: () => Date.now(),
  random: () => Math.random(),
  timer: schedule,
  atTurnEnd: (callback) => {
    setImmediate(callback);
  },
  later: (callback) => {
    setImmediate(callback);
  },
  listen: acceptOn,
  connect: connectTo,
  adopt: adoptStream,
  close() {
    // What was written is the kernel's already.
  },
};
