/** `proxy events`: what happened lately, of the supervisor and all workers. */
import { type CommandDef, defineCommand } from "citty";
import type { ProxyEvent } from "../api/control-socket.ts";
import { EVENTS_KEPT_MAX } from "../base/limits.ts";
import { CONTROL_ARGS, callProxy, report } from "./control-client.ts";
import { EXIT_USAGE } from "./exit-codes.ts";

const EVENTS_ARGS = {
  ...CONTROL_ARGS,
  number: {
    type: "string",
    alias: "n",
    valueHint: "N",
    default: "20",
    description: `The last N events (default: 20; at most ${EVENTS_KEPT_MAX} are kept)`,
  },
  follow: {
    type: "boolean",
    alias: "f",
    default: false,
    description: "Go on with those that come, until it is interrupted",
  },
} as const;

const TIMEOUT_MS = 5_000;
const LOOK_MS = 500;

const definition = defineCommand({
  meta: {
    name: "events",
    description: "Show what happened lately: reloads, deaths, ejections, settings, levers",
  },
  args: EVENTS_ARGS,
  async run({ args }): Promise<number> {
    if (!/^[1-9]\d{0,5}$/.test(args.number)) {
      process.stderr.write(`proxy: -n: expected a number, found "${args.number}"\n`);
      return EXIT_USAGE;
    }
    let after = 0;
    let count = Number(args.number);
    const printed = (events: readonly ProxyEvent[]): string => {
      after = events.at(-1)?.number ?? after;
      return events
        .map((event) => `${args.json ? JSON.stringify(event) : lineOf(event)}\n`)
        .join("");
    };
    for (;;) {
      const request = { verb: "events", after, count } as const;
      const answer = await callProxy(args, request, { timeoutMs: TIMEOUT_MS, untilGone: false });
      // Only a proxy that is not there, or is just replaced, says nothing.
      if (!args.follow || answer.kind !== "gone") {
        const code = report(answer, args.json && !args.follow, (result) =>
          result.verb === "events" ? printed(result.events) : "",
        );
        if (!args.follow || code !== 0) return code;
      }
      count = EVENTS_KEPT_MAX;
      await Bun.sleep(LOOK_MS);
    }
  },
});

/** The type of its flags matters to itself only. */
export const eventsCommand: CommandDef = definition as unknown as CommandDef;

function lineOf({ atMs, level, process: from, text }: ProxyEvent): string {
  return `${new Date(atMs).toISOString()} ${level} ${from} ${text}`;
}
