/** `proxy slowlog`: requests that took long, with the time in the queue and in the server apart. */
import { type CommandDef, defineCommand } from "citty";
import type { SlowEntry, SlowLogReport } from "../api/inspection.ts";
import { SLOW_KEPT_MAX } from "../base/limits.ts";
import { formatMicroseconds } from "../metrics/latency-rows.ts";
import { CONTROL_ARGS, callProxy, report } from "./control-client.ts";
import { EXIT_USAGE } from "./exit-codes.ts";
import { formatBytes } from "./figures.ts";
import { formatKey } from "./key-text.ts";
import { formatTable } from "./table.ts";

const ARGS = {
  ...CONTROL_ARGS,
  number: {
    type: "string",
    alias: "n",
    valueHint: "N",
    default: "20",
    description: `The last N (default: 20; at most ${SLOW_KEPT_MAX} are kept)`,
  },
  follow: {
    type: "boolean",
    alias: "f",
    default: false,
    description: "Go on with those that come, until it is interrupted",
  },
  pool: { type: "string", valueHint: "POOL", description: "Only of this pool" },
  reset: { type: "boolean", default: false, description: "Forget what is kept (of the pool)" },
} as const;

const TIMEOUT_MS = 5_000;
const LOOK_MS = 500;

const definition = defineCommand({
  meta: { name: "slowlog", description: "Show requests that took long, and where" },
  args: ARGS,
  async run({ args }): Promise<number> {
    if (!/^[1-9]\d{0,5}$/.test(args.number)) {
      process.stderr.write(`proxy: -n: expected a number, found "${args.number}"\n`);
      return EXIT_USAGE;
    }
    const { pool = null } = args;
    const options = { timeoutMs: TIMEOUT_MS, untilGone: false };
    if (args.reset) {
      return report(
        await callProxy(args, { verb: "slowlog_reset", pool }, options),
        args.json,
        () => "what was kept is forgotten\n",
      );
    }
    let after = 0;
    let count = Number(args.number);
    const followed = ({ entries }: SlowLogReport): string => {
      after = entries.at(-1)?.number ?? after;
      return entries
        .map((entry) => (args.json ? JSON.stringify(entry) : cells(entry).join("  ")))
        .map((line) => `${line}\n`)
        .join("");
    };
    for (;;) {
      const answer = await callProxy(args, { verb: "slowlog", after, count, pool }, options);
      // Only a proxy that is not there, or is just replaced, says nothing.
      if (!args.follow || answer.kind !== "gone") {
        const code = report(answer, args.json && !args.follow, (result) => {
          if (result.verb !== "slowlog") return "";
          return args.follow ? followed(result.report) : textOf(result.report);
        });
        if (!args.follow || code !== 0) return code;
      }
      count = SLOW_KEPT_MAX;
      await Bun.sleep(LOOK_MS);
    }
  },
});

/** The type of its flags matters to itself only. */
export const slowlogCommand: CommandDef = definition as unknown as CommandDef;

const HEADING = [
  ...["at", "pool", "total", "queue", "server", "of", "command", "key"],
  ...["request", "reply", "client", "name"],
];

function textOf({ entries, missed }: SlowLogReport): string {
  const table = entries.length === 0 ? ["No slow requests."] : tableOf(entries);
  const lines =
    missed === 0 ? table : [...table, `${missed} more were too many at once to be kept`];
  return lines.map((line) => `${line}\n`).join("");
}

function tableOf(entries: readonly SlowEntry[]): string[] {
  return formatTable([HEADING, ...entries.map(cells)], [2, 3, 4, 8, 9]);
}

function cells(entry: SlowEntry): string[] {
  const time = (us: number | null): string => (us === null ? "-" : formatMicroseconds(us));
  const { requests, failure } = entry;
  const more = requests > 1 ? ` (and ${requests - 1} behind it)` : "";
  const key = `${entry.key ?? "-"}${more}${failure === null ? "" : ` failed: ${failure}`}`;
  return [
    ...[new Date(entry.atMs).toISOString(), entry.pool],
    ...[time(entry.totalUs), time(entry.queueUs), time(entry.serverUs), entry.server ?? "-"],
    ...[formatKey(Buffer.from(entry.command === "" ? "?" : entry.command)), key],
    ...[formatBytes(entry.requestBytes), formatBytes(entry.replyBytes)],
    ...[entry.address, entry.name === "" ? "-" : formatKey(Buffer.from(entry.name))],
  ];
}
