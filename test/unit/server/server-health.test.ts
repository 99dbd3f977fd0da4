import { describe, expect, test } from "bun:test";
import type { PoolConfig } from "../../../src/api/config.ts";
import { healthOf, SERVER, TROUBLE_KINDS } from "../../../src/api/stats.ts";
import { SUSPECT_QUIET_MS } from "../../../src/base/health-limits.ts";
import type { Logger } from "../../../src/base/log.ts";
import { type Ejectable, Ejections } from "../../../src/server/ejections.ts";
import { ServerHealth } from "../../../src/server/server-health.ts";
import { type Timer, timerRecorder } from "./upstream-rig.ts";

const PROBED = { healthCheckMs: 1_000, healthCheckFall: 3, healthCheckRise: 2 };
const REFUSED = { kind: "refused", wasSent: false, text: "Connection refused" } as const;
const LATE = { kind: "timeout", wasSent: true, text: "Connection timed out" } as const;
const GRAVE = { text: "no answer within 9 ms", isGrave: true };
const BUSY = { text: "BUSY Redis is busy", isGrave: false };

function rig(pool: Partial<PoolConfig>, ejects = false) {
  const values = new Float64Array(64);
  const timers: Timer[] = [];
  const lines: string[] = [];
  const happened: string[] = [];
  const clock = { ms: 1_000 };
  const probed = { count: 0 };
  const note = (text: string, facts?: object): void => {
    lines.push([text, ...Object.values(facts ?? {})].join(" | "));
  };
  const log = { warn: note, info: note, debug() {}, error: note } as unknown as Logger;
  const server: Ejectable = {
    isEjected: false,
    eject: () => happened.push("eject"),
    keep: () => happened.push("keep"),
    restore: () => happened.push("restore"),
    probe() {},
  };
  const ejections = ejects
    ? new Ejections({
        ...{ total: () => 3, outMax: () => 1, probeIntervalMs: () => 1_000, onChange() {} },
        schedule: timerRecorder(timers),
      })
    : null;
  const health = new ServerHealth({
    ...{ server, name: "s", ejections, log, schedule: timerRecorder(timers) },
    pool: { serverFailureLimit: 2, ...pool } as PoolConfig,
    ...{ nowMs: () => clock.ms, epochMs: () => 12, counters: { values, base: 0 } },
    onDown: () => happened.push("down"),
    onRecovered: () => happened.push("recovered"),
    onProbed: () => {
      probed.count++;
    },
    onSuspect: () => happened.push("suspect"),
  });
  return {
    ...{ health, lines, happened, clock, values, timers, probed },
    state: () => healthOf(values[SERVER.health]!),
    kind: () => TROUBLE_KINDS[values[SERVER.trouble_kind]! - 1] ?? null,
    probes: (...faults: (typeof GRAVE | null)[]) => {
      for (const fault of faults) health.onProbe(fault);
    },
  };
}

describe("a server that is probed", () => {
  test("is down after so many failures in a row, and up after so many answers", () => {
    const { probes, state, lines, happened, values, kind } = rig(PROBED);
    expect(state()).toBe("up");
    probes(GRAVE);
    expect([state(), kind()]).toEqual(["suspect", "probe"]);
    probes(null);
    expect(state()).toBe("up");
    probes(GRAVE, GRAVE);
    expect(state()).toBe("suspect");
    probes(GRAVE);
    expect(state()).toBe("down");
    probes(GRAVE, null);
    expect(state()).toBe("probing");
    probes(GRAVE);
    expect(state()).toBe("down");
    probes(null, null);
    expect([state(), kind()]).toEqual(["up", null]);
    expect(values[SERVER.in_trouble]).toBe(0);
    expect(values[SERVER.trouble_since]).toBe(0);
    expect(values[SERVER.health_changes]).toBe(8);
    expect(happened).toEqual(["suspect", "suspect", "down", "recovered"]);
    // Each change is told once, with the reason.
    expect(lines).toEqual([
      `server is in trouble | s | ${GRAVE.text}`,
      "server is back | s",
      `server is in trouble | s | ${GRAVE.text}`,
      `server is down | s | ${GRAVE.text}`,
      "server answers its probes again | s",
      `server does not answer its probes any more | s | ${GRAVE.text}`,
      "server answers its probes again | s",
      "server is back | s",
    ]);
  });

  test("comes back by nothing but its probes", () => {
    const { health, probes, state } = rig(PROBED);
    probes(GRAVE, GRAVE, GRAVE);
    health.onUp();
    health.onReply();
    health.onAttempt();
    health.onTrouble(REFUSED);
    expect([state(), health.isDown]).toEqual(["down", true]);
    probes(null);
    health.onUp();
    health.onTrouble(REFUSED);
    expect([state(), health.isDown]).toEqual(["probing", true]);
    probes(null);
    expect([state(), health.isDown]).toEqual(["up", false]);
  });

  test("an answer has its connections tried again, unless it is down", () => {
    const { health, probes, probed } = rig(PROBED);
    health.onTrouble(REFUSED);
    probes(null);
    expect(probed.count).toBe(1);
    probes(GRAVE, GRAVE, GRAVE, null);
    expect(probed.count).toBe(1);
  });

  test("that is only hindered is suspect, however long, and gets requests", () => {
    const { health, probes, state } = rig(PROBED);
    probes(BUSY, BUSY, BUSY, BUSY, BUSY);
    expect([state(), health.isDown]).toEqual(["suspect", false]);
    probes(null);
    expect(state()).toBe("up");
  });

  test("fails requests and answers probes: stays suspect until nothing has told against it for a while", () => {
    const { health, probes, state, clock, lines } = rig(PROBED);
    for (let round = 0; round < 4; round++) {
      health.onTrouble(LATE);
      probes(null);
      clock.ms += 1_000;
    }
    expect(state()).toBe("suspect");
    expect(lines.length).toBe(1);
    clock.ms += SUSPECT_QUIET_MS;
    probes(null);
    expect(state()).toBe("up");
  });

  test("a connection that was refused is disproved by a probe", () => {
    const { health, probes, state } = rig(PROBED);
    health.onTrouble(REFUSED);
    expect(state()).toBe("suspect");
    probes(null);
    expect(state()).toBe("up");
  });

  test("was found down by another worker before this one started", () => {
    const { health, state, probes, happened } = rig(PROBED);
    health.resumeDown("no answer");
    health.resumeDown("no answer");
    expect([state(), health.downReason]).toEqual(["down", "no answer"]);
    probes(null, null);
    expect(happened).toEqual(["down", "recovered"]);
  });
});

describe("a server that is not probed", () => {
  test("is suspect from the first failure to the first reply", () => {
    const { health, state, kind, happened } = rig({});
    for (let failures = 0; failures < 9; failures++) health.onTrouble(LATE);
    expect([state(), kind(), health.isDown]).toEqual(["suspect", "timeout", false]);
    health.onReply();
    expect([state(), kind()]).toEqual(["up", null]);
    expect(happened).toEqual(["suspect"]);
  });

  test("with ejection is down after the failure limit, and up with the first connection", () => {
    const { health, state, happened, lines } = rig({}, true);
    health.onTrouble(LATE);
    expect(happened).toEqual(["suspect"]);
    health.onTrouble(LATE);
    expect([state(), happened.at(-1)]).toEqual(["down", "eject"]);
    health.onReply();
    health.onAttempt();
    expect(state()).toBe("probing");
    health.onTrouble(REFUSED);
    expect(state()).toBe("down");
    health.onAttempt();
    health.onUp();
    expect(state()).toBe("up");
    expect(happened.slice(2)).toEqual(["recovered", "restore"]);
    expect(lines.filter((line) => line.startsWith("server is down"))).toHaveLength(1);
  });
});

test("errors that tell of its state make it suspect until it has not answered so for a while", () => {
  for (const pool of [{}, PROBED]) {
    const { health, state, kind, clock, timers, probes, lines } = rig(pool);
    for (let errors = 0; errors < 100; errors++) health.onSignal("READONLY");
    expect([state(), kind(), health.isDown]).toEqual(["suspect", "signal", false]);
    health.onReply();
    probes(null);
    expect(state()).toBe("suspect");
    expect(lines).toEqual(["server is in trouble | s | it answers requests with READONLY"]);
    const fire = (): void => timers.pop()!.callback();
    clock.ms += SUSPECT_QUIET_MS - 1;
    health.onSignal("OOM");
    fire();
    expect(state()).toBe("suspect");
    clock.ms += SUSPECT_QUIET_MS;
    fire();
    expect(state()).toBe("up");
  }
});

test("one that has left its pool is not shown, whatever comes of it", () => {
  const { health, state, probes, values } = rig(PROBED);
  probes(GRAVE, GRAVE, GRAVE);
  health.retire();
  probes(null, null, GRAVE);
  health.onTrouble(LATE);
  health.onSignal("OOM");
  expect(state()).toBe(null);
  expect([values[SERVER.in_trouble], values[SERVER.trouble_kind]]).toEqual([0, 0]);
});

test("one whose requests have failed first is down for the reason that its probes give, from then on", () => {
  const { health, probes } = rig(PROBED, true);
  health.onTrouble(LATE);
  health.onTrouble(LATE);
  expect([health.isDown, health.downReason]).toEqual([true, null]);
  probes(GRAVE, GRAVE);
  expect(health.downReason).toBeNull();
  probes(GRAVE);
  expect(health.downReason).toBe(GRAVE.text);
  probes(null, null);
  expect([health.isDown, health.downReason]).toEqual([false, null]);
});
