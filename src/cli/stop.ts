/** `proxy stop`: ends the running proxy and waits until it is gone. */
import { type CommandDef, defineCommand } from "citty";
import { parseDuration } from "../config/duration.ts";
import { CONTROL_ARGS, callProxy, report } from "./control-client.ts";
import { EXIT_USAGE } from "./exit-codes.ts";

const STOP_ARGS = {
  ...CONTROL_ARGS,
  drain: {
    type: "boolean",
    default: false,
    description: "Accept no clients any more, finish what is in flight, then stop",
  },
  timeout: {
    type: "string",
    valueHint: "T",
    description: "With --drain: close what is left after 10s, 500ms, … (default: drain_timeout)",
  },
} as const;

/** Beyond a drain's own end. */
const GRACE_MS = 60_000;
const TIMEOUT_MS_MAX = 2 ** 31 - 1;

const definition = defineCommand({
  meta: { name: "stop", description: "Stop the running proxy and wait until it is gone" },
  args: STOP_ARGS,
  async run({ args }): Promise<number> {
    const timeoutMs = args.timeout === undefined ? null : parseDuration(args.timeout);
    if (args.timeout !== undefined && (timeoutMs === null || !args.drain)) {
      const problem = args.drain
        ? `--timeout: expected a duration such as 10s, found "${args.timeout}"`
        : "--timeout only makes sense with --drain";
      process.stderr.write(`proxy: ${problem}\nSee proxy stop --help\n`);
      return EXIT_USAGE;
    }
    const answer = await callProxy(
      args,
      { verb: "stop", isDrain: args.drain, timeoutMs },
      {
        timeoutMs: args.drain
          ? Math.min((timeoutMs ?? TIMEOUT_MS_MAX) + GRACE_MS, TIMEOUT_MS_MAX)
          : GRACE_MS,
        untilGone: true,
      },
    );
    // One that was ended by another command meanwhile is gone all the same.
    const gone = answer.kind === "gone" ? ({ ok: true, verb: "stop" } as const) : null;
    return report(
      gone === null ? answer : { kind: "result", result: gone },
      args.json,
      () => "stopped\n",
    );
  },
});

/** The type of its flags matters to itself only. */
export const stopCommand: CommandDef = definition as unknown as CommandDef;
