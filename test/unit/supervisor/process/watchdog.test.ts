import { expect, test } from "bun:test";
import type { Logger } from "../../../../src/base/log.ts";
import {
  SILENT_TICKS_MAX,
  WARN_TICKS,
  Watchdog,
} from "../../../../src/supervisor/process/watchdog.ts";

function rig(): { watchdog: Watchdog; pings: number[]; silent: number[]; lines: string[] } {
  const pings: number[] = [];
  const silent: number[] = [];
  const lines: string[] = [];
  const write = (level: string) => (message: string) => void lines.push(`${level} ${message}`);
  const log: Logger = {
    error: write("error"),
    warn: write("warn"),
    info: write("info"),
    debug: write("debug"),
    child: () => log,
    setLevel() {},
    reopen() {},
    redirect() {},
  };
  const watchdog = new Watchdog(log, {
    ping: (id) => pings.push(id),
    onSilent: () => silent.push(pings.length),
  });
  return { watchdog, pings, silent, lines };
}

function ticks(watchdog: Watchdog, count: number): void {
  for (let tick = 0; tick < count; tick += 1) watchdog.tick();
}

test("one that answers is pinged at every tick, and nothing is said", () => {
  const { watchdog, pings, silent, lines } = rig();
  for (let id = 1; id <= 50; id += 1) {
    watchdog.tick();
    watchdog.onPong(id);
  }
  expect(pings).toHaveLength(50);
  expect(silent).toEqual([]);
  expect(lines).toEqual([]);
});

test("silence is warned of, then it is given up, each once", () => {
  const { watchdog, pings, silent, lines } = rig();
  ticks(watchdog, WARN_TICKS);
  expect(lines).toEqual([]);
  ticks(watchdog, 1);
  expect(lines).toEqual(["warn does not answer"]);
  ticks(watchdog, SILENT_TICKS_MAX - WARN_TICKS - 1);
  expect(silent).toEqual([]);
  ticks(watchdog, 5);
  expect(silent).toEqual([1]);
  expect(pings).toEqual([1]);
  expect(lines).toEqual(["warn does not answer", "error does not answer, killed"]);
});

test("a late answer counts, an answer to an older ping does not", () => {
  const { watchdog, silent, lines } = rig();
  ticks(watchdog, WARN_TICKS + 1);
  watchdog.onPong(0);
  expect(lines).toEqual(["warn does not answer"]);
  watchdog.onPong(1);
  expect(lines.at(-1)).toBe("info answers again");
  ticks(watchdog, SILENT_TICKS_MAX);
  expect(silent).toEqual([]);
});

test("a new child owes nothing", () => {
  const { watchdog, pings, silent } = rig();
  ticks(watchdog, SILENT_TICKS_MAX);
  watchdog.reset();
  watchdog.tick();
  expect(pings).toEqual([1, 2]);
  ticks(watchdog, SILENT_TICKS_MAX - 1);
  expect(silent).toEqual([]);
});
