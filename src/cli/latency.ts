/** `proxy latency`: percentiles of how long requests take, by pool, family of commands and server. */
import { type CommandDef, defineCommand } from "citty";
import { parseDuration } from "../config/duration.ts";
import {
  formatMicroseconds,
  type LatencyRow,
  latencyRows,
  latencySince,
  percentilesOf,
} from "../metrics/latency-rows.ts";
import { askStatus } from "./ask-status.ts";
import { type Answer, CONTROL_ARGS, report } from "./control-client.ts";
import { EXIT_OK, EXIT_USAGE } from "./exit-codes.ts";
import { formatTable } from "./table.ts";

const FOR_ARG = {
  type: "string",
  valueHint: "TIME",
  description: "Measure for so long (10s, 500ms) in place of all the time since the start",
} as const;
const POOL_ARG = { type: "string", valueHint: "POOL", description: "Only of this pool" } as const;
type Args = typeof CONTROL_ARGS & {
  readonly for: typeof FOR_ARG;
  readonly pool: typeof POOL_ARG;
};
const ARGS: Args = { ...CONTROL_ARGS, for: FOR_ARG, pool: POOL_ARG };

export const latencyCommand: CommandDef<Args> = defineCommand({
  meta: { name: "latency", description: "Show how long requests take, as percentiles" },
  args: ARGS,
  async run({ args }): Promise<number> {
    const waitMs = args.for === undefined ? 0 : parseDuration(args.for);
    if (waitMs === null) {
      process.stderr.write(`proxy: --for: "${args.for}" is no time; write 10s or 500ms\n`);
      return EXIT_USAGE;
    }
    let before: LatencyRow[] = [];
    if (waitMs > 0) {
      const first = await askStatus(args, args.pool);
      const rows = rowsOf(first);
      if (rows === null) return report(first, args.json, () => "");
      before = rows;
      await Bun.sleep(waitMs);
    }
    const answer = await askStatus(args, args.pool);
    const now = rowsOf(answer);
    if (now === null) return report(answer, args.json, () => "");
    const all = waitMs === 0 ? now : latencySince(now, before);
    const rows = all.filter(({ pool }) => args.pool === undefined || pool === args.pool);
    process.stdout.write(
      args.json ? `${JSON.stringify({ ok: true, latency: rows.map(plain) })}\n` : text(rows),
    );
    return EXIT_OK;
  },
});

/** Null: the answer is no status. */
function rowsOf(answer: Answer): LatencyRow[] | null {
  if (answer.kind !== "result" || !answer.result.ok || answer.result.verb !== "status") return null;
  return latencyRows(answer.result.status.metrics ?? []);
}

/** Times in microseconds. */
function plain({ pool, of, time, figures }: LatencyRow): object {
  const { count, sum } = figures;
  return { pool, of, time, count, mean: sum / count, ...percentilesOf(figures) };
}

function text(rows: readonly LatencyRow[]): string {
  if (rows.length === 0) return "No requests.\n";
  const lines: string[][] = rows.map(({ pool, of, time, figures }) => [
    ...[pool, of, time, `${figures.count}`],
    ...Object.values(percentilesOf(figures)).map(formatMicroseconds),
  ]);
  const [row] = rows;
  const heading = ["pool", "of", "time", "count", ...Object.keys(percentilesOf(row!.figures))];
  const table = formatTable([heading, ...lines], [3, 4, 5, 6, 7, 8, 9, 10]);
  return table.map((line) => `${line}\n`).join("");
}
