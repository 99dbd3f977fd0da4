/** `proxy stats`: all that is counted of pools and servers, since the proxy was started. */
import { type CommandDef, defineCommand } from "citty";
import { MODULE_METRICS } from "../api/module-metrics.ts";
import { POOL_METRICS, type PoolFigures, SERVER_METRICS, type SetFigures } from "../api/stats.ts";
import { askStatus } from "./ask-status.ts";
import { CONTROL_ARGS, report } from "./control-client.ts";
import { EXIT_OK } from "./exit-codes.ts";
import { formatTable } from "./table.ts";

const ARGS = {
  ...CONTROL_ARGS,
  pool: { type: "string", valueHint: "POOL", description: "Only of this pool" },
  all: { type: "boolean", default: false, description: "Also what is 0" },
} as const;

const definition = defineCommand({
  meta: { name: "stats", description: "Show what was counted of each pool and server" },
  args: ARGS,
  async run({ args }): Promise<number> {
    const answer = await askStatus(args, args.pool);
    if (answer.kind !== "result" || !answer.result.ok || answer.result.verb !== "status") {
      return report(answer, args.json, () => "");
    }
    const { pools = [], metrics = [] } = answer.result.status;
    const shown = pools.filter(({ name }) => args.pool === undefined || name === args.pool);
    const text = args.json
      ? JSON.stringify({ ok: true, pools: shown, modules: shown.flatMap(plainOf(metrics)) })
      : shown
          .flatMap((pool) => [
            ...linesOf(pool, args.all),
            ...moduleLines(countersIn(metrics, pool.name), args.all),
            "",
          ])
          .join("\n");
    process.stdout.write(`${text}\n`);
    return EXIT_OK;
  },
});

/** The type of its flags matters to itself only. */
export const statsCommand: CommandDef = definition as unknown as CommandDef;

function linesOf({ name, counters, servers }: PoolFigures, isAll: boolean): string[] {
  return [
    `pool ${name}`,
    ...counterLines(counters, POOL_METRICS.schema.rows, isAll),
    ...servers.flatMap((server) => [
      `server ${server.name} of pool ${name}`,
      ...counterLines(server.counters, SERVER_METRICS.schema.rows, isAll),
    ]),
  ];
}

function counterLines(
  counters: Readonly<Record<string, number>>,
  rows: readonly { readonly name: string; readonly help: string }[],
  isAll: boolean,
): string[] {
  const shown = rows.filter(({ name }) => isAll || (counters[name] ?? 0) !== 0);
  const table = shown.map(({ name, help }) => ["", name, `${counters[name] ?? 0}`, help]);
  return formatTable(table, [2]);
}

interface ModuleCounter {
  readonly pool: string;
  readonly module: string;
  readonly counter: string;
  readonly value: number;
  readonly help: string;
}

/** What modules count in a pool. */
function countersIn(metrics: readonly SetFigures[], name: string): ModuleCounter[] {
  return metrics.flatMap(({ set, labels, values, help }) => {
    const { pool = "", module = "", counter = "" } = labels;
    const value = values["total"];
    if (set !== MODULE_METRICS.name || pool !== name || typeof value !== "number") return [];
    return { pool, module, counter, value, help: help?.["total"] ?? "" };
  });
}

function plainOf(metrics: readonly SetFigures[]) {
  return ({ name }: PoolFigures): ModuleCounter[] => countersIn(metrics, name);
}

function moduleLines(counters: readonly ModuleCounter[], isAll: boolean): string[] {
  const modules = Map.groupBy(counters, ({ module }) => module);
  return [...modules].flatMap(([module, all]) => {
    const shown = all.filter(({ value }) => isAll || value !== 0);
    const table = shown.map(({ counter, value, help }) => ["", counter, `${value}`, help]);
    return [`module ${module} of pool ${all[0]?.pool}`, ...formatTable(table, [2])];
  });
}
