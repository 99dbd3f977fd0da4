/** What happened lately. */
import { expect, test } from "bun:test";
import type { FromWorker } from "../../../src/api/control.ts";
import {
  EVENT_CHARACTERS_MAX,
  EVENTS_KEPT_MAX,
  WORKER_EVENTS_PER_SECOND,
} from "../../../src/base/limits.ts";
import { createLogger } from "../../../src/base/log.ts";
import { EventRing } from "../../../src/supervisor/events.ts";
import { tellEvents } from "../../../src/worker/worker-events.ts";

test("the latest are kept, cut, and numbered on by the program that follows", () => {
  const ring = new EventRing();
  for (let at = 0; at < EVENTS_KEPT_MAX + 5; at++) ring.add("supervisor", "info", `line ${at}`);
  ring.add("worker/1", "warn", "x".repeat(EVENT_CHARACTERS_MAX + 1));
  expect(ring.all).toHaveLength(EVENTS_KEPT_MAX);
  expect(ring.all.at(-1)?.text).toHaveLength(EVENT_CHARACTERS_MAX);
  const next = new EventRing(ring.all);
  next.add("supervisor", "info", "ready");
  expect(next.since(ring.all.at(-1)!.number, 9).map(({ text }) => text)).toEqual(["ready"]);
  expect(next.since(0, 2).map(({ process }) => process)).toEqual(["worker/1", "supervisor"]);
});

test("a logger's lines are heard whatever its level is, but for details, and with its fields", () => {
  const heard: string[] = [];
  const written: string[] = [];
  const log = createLogger({
    ...{ level: "error", file: "f", process: "p" },
    hear: (level, line) => heard.push(`${level} ${line}`),
    open: () => ({
      fd: -1,
      write: (bytes, from) => {
        written.push(`${bytes.subarray(from)}`);
        return bytes.length - from;
      },
      giveTo() {},
      close() {},
    }),
  });
  log.child({ child: "worker/1" }).info("ready", { pid: 7 });
  log.debug("a detail");
  log.error("broken");
  expect(heard).toEqual(["info ready child=worker/1 pid=7", "error broken"]);
  expect(written).toHaveLength(1);
});

test("a worker tells of so many in a second", () => {
  const told: FromWorker[] = [];
  let nowMs = 0;
  const hear = tellEvents(
    (message) => told.push(message),
    () => nowMs,
  );
  for (let at = 0; at < 2 * WORKER_EVENTS_PER_SECOND; at++) hear("warn", `${at}`, "e");
  expect(told).toHaveLength(WORKER_EVENTS_PER_SECOND);
  nowMs = 1000;
  hear("warn", "again", "e");
  expect(told.at(-1)).toEqual({ type: "event", level: "warn", text: "again", event: "e" });
});
