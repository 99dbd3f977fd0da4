import { expect, test } from "bun:test";
import { AskSupervisor } from "../../../src/admin/ask-supervisor.ts";
import type { AdminStatus, FromAdmin } from "../../../src/api/control.ts";
import type { Look } from "../../../src/api/control-socket.ts";
import { EVENTS_SHOWN_MAX } from "../../../src/base/page-limits.ts";

const SLOWLOG: Look = { verb: "slowlog", after: 0, count: 1, pool: null };
const status = {} as AdminStatus;

test("a supervisor is asked nothing that it does not say it answers", async () => {
  const sent: FromAdmin[] = [];
  const supervisor = new AskSupervisor((question) => {
    sent.push(question);
    supervisor.onSeen({ type: "seen", id: question.id, result: { ok: false, problems: [] } });
  });
  expect(await supervisor.look(SLOWLOG)).toEqual({ ok: false, problems: [] });
  const later = { verb: "later" } as unknown as Look;
  expect(await supervisor.look(later)).toBeNull();
  expect(sent).toHaveLength(1);
  supervisor.setLooks(["later"]);
  expect(await supervisor.look(later)).not.toBeNull();
  expect(await supervisor.look(SLOWLOG)).toBeNull();
});

test("events are asked for from the last on, and the latest are kept", async () => {
  const asked: (number | undefined)[] = [];
  let number = 0;
  const supervisor = new AskSupervisor((question) => {
    if (question.type !== "ask") return;
    asked.push(question.after);
    const events = Array.from({ length: 40 }, () => ({
      ...{ number: ++number, atMs: 1, level: "info", process: "p", text: "t" },
    }));
    supervisor.onAnswer({ type: "status", id: question.id, status, events });
  });
  for (let n = 0; n < 4; n++) await supervisor.ask(0);
  expect(asked).toEqual([0, 40, 80, 120]);
  expect(supervisor.events).toHaveLength(EVENTS_SHOWN_MAX);
  expect(supervisor.events.at(-1)?.number).toBe(160);
});
