/** Events as they come, over the admin's HTTP: server-sent events. */
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import type { ProxyEvent } from "../../src/api/control-socket.ts";
import { startOperatorRig } from "../support/operator-rig.ts";
import { mustRun } from "../support/run-command.ts";
import { stopAll } from "../support/upgrade-rig.ts";

setDefaultTimeout(120_000);
afterEach(stopAll);

type Next = (event: string) => Promise<ProxyEvent>;

test("events come as they happen, and a browser goes on where it stopped", async () => {
  const { proxy, admin } = await startOperatorRig(1);
  const follow = async (headers: Record<string, string> = {}): Promise<Next> => {
    const answer = await fetch(`${admin}/events`, {
      headers: { Accept: "text/event-stream", ...headers },
    });
    expect(answer.headers.get("content-type")).toBe("text/event-stream");
    const reader = answer.body!.getReader();
    let text = "";
    return async (event) => {
      for (;;) {
        // The last one may not be whole yet.
        const whole = text.substring(0, text.lastIndexOf("\n\n") + 1).split("\n\n");
        const found = whole
          .filter((part) => part.startsWith("id: "))
          .map((part) => JSON.parse(part.substring(part.indexOf("data: ") + 6)) as ProxyEvent)
          .find((one) => one.event === event);
        if (found !== undefined) return found;
        const { value, done } = await reader.read();
        if (done) throw new Error(`over without ${event}: ${text}`);
        text += new TextDecoder().decode(value);
      }
    };
  };
  const next = await follow();
  // What happened before comes first.
  await next("ready");
  await mustRun(proxy, "readonly", "main", "--for", "1h");
  const { number } = await next("lever_was_pulled");
  const later = await follow({ "Last-Event-ID": `${number}` });
  await mustRun(proxy, "release", "all");
  const released = await later("lever_was_released");
  expect(released.number).toBeGreaterThan(number);
  expect(await next("lever_was_released")).toEqual(released);
  // All the others are asked for as before.
  const { events } = (await (await fetch(`${admin}/events`)).json()) as {
    readonly events: readonly ProxyEvent[];
  };
  expect(events.at(-1)).toMatchObject({ event: "lever_was_released" });
});
