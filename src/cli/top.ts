/** `proxy top`: rates and percentiles, clients, keys and workers, again each second. */
import { type CommandDef, defineCommand } from "citty";
import { parseDuration } from "../config/duration.ts";
import { type Answer, CONTROL_ARGS, type ControlFlags, report } from "./control-client.ts";
import { EXIT_OK, EXIT_USAGE } from "./exit-codes.ts";
import { firstOf, lastOf } from "./top-figures.ts";
import { TopKeys } from "./top-keys.ts";
import { type Look, look } from "./top-look.ts";
import { type RateHistory, type SortKey, topRows, topScreen, viewScreen } from "./top-screen.ts";
import {
  clientLines,
  clientRates,
  keyLines,
  leaders,
  VIEWS,
  type View,
  workerLines,
  workerRates,
} from "./top-views.ts";

const INTERVAL_ARG = {
  type: "string",
  default: "1s",
  valueHint: "TIME",
  description: "Time between two looks",
} as const;
const COUNT_ARG = {
  type: "string",
  valueHint: "N",
  description: "End after so many looks; without a terminal: 1",
} as const;
const VIEW_ARG = {
  type: "string",
  valueHint: "VIEW",
  description: "Only this, or to begin with this: all, clients, keys or workers",
} as const;
const POOL_ARG = {
  type: "string",
  valueHint: "POOL",
  description: "Only this pool",
} as const;
type Args = typeof CONTROL_ARGS & {
  readonly interval: typeof INTERVAL_ARG;
  readonly count: typeof COUNT_ARG;
  readonly view: typeof VIEW_ARG;
  readonly pool: typeof POOL_ARG;
};
const ARGS: Args = {
  ...CONTROL_ARGS,
  ...{ interval: INTERVAL_ARG, count: COUNT_ARG, view: VIEW_ARG, pool: POOL_ARG },
};

const INTERVAL_MS_MIN = 100;
const CLEAR = "\x1b[H\x1b[2J";
/** Of each kind, where all is printed once. */
const PRINTED_MAX = 12;
/** Looks that are remembered for sparklines. */
const HISTORY_MAX = 60;

export const topCommand: CommandDef<Args> = defineCommand({
  meta: { name: "top", description: "Show rates and percentiles as they change" },
  args: ARGS,
  async run({ args }): Promise<number> {
    const intervalMs = parseDuration(args.interval);
    const isScreen = process.stdout.isTTY === true && !args.json;
    const count = args.count === undefined ? null : Number(args.count);
    if (intervalMs === null || intervalMs < INTERVAL_MS_MIN || !(count === null || count > 0)) {
      return misuse("--interval takes a time from 100ms on, --count a number");
    }
    const view = args.view === undefined ? null : VIEWS.find((name) => name === args.view);
    if (view === undefined) return misuse(`--view: one of ${VIEWS.join(", ")}`);
    const looks = count ?? (isScreen ? Number.POSITIVE_INFINITY : 1);
    const keys = new TopKeys(isScreen, view ?? "all", args.pool ?? null);
    try {
      const isWhole = view === null && !isScreen;
      return await watch(args, { intervalMs, looks, isScreen, isWhole, keys });
    } finally {
      keys.close();
    }
  },
});

function misuse(text: string): number {
  process.stderr.write(`proxy: ${text}\n`);
  return EXIT_USAGE;
}

interface Watch {
  readonly intervalMs: number;
  readonly looks: number;
  readonly isScreen: boolean;
  /** All views are printed, one after the other. */
  readonly isWhole: boolean;
  readonly keys: TopKeys;
}

/** @returns the exit code */
async function watch(flags: ControlFlags, how: Watch): Promise<number> {
  const { intervalMs, looks, keys } = how;
  const history = new Map<string, number[]>();
  let before = await look(flags, keys.pool);
  for (let shown = 0; shown < looks; shown++) {
    if (!("status" in before)) return report(before, flags.json, () => "");
    const problem = unknownPool(before, keys.pool);
    if (problem !== null) return report(problem, flags.json, () => "");
    await keys.pause(intervalMs);
    if (keys.isQuit) return EXIT_OK;
    const now = await look(flags, keys.pool);
    if ("status" in now) {
      keys.setPools((now.status.pools ?? []).map(({ name }) => name));
      remember(history, before, now);
      const [from, to] = [before, now];
      const draw = (): void => show(from, to, flags.json, history, how);
      draw();
      keys.onChange = draw;
    }
    before = now;
  }
  return "status" in before ? EXIT_OK : report(before, flags.json, () => "");
}

/** What to say when the user named a pool that is not there; null: there is. */
function unknownPool({ status }: Look, pool: string | null): Answer | null {
  const names = (status.pools ?? []).map(({ name }) => name);
  if (pool === null || names.includes(pool)) return null;
  const problem = `there is no pool ${JSON.stringify(pool)}; there are ${names.join(", ")}`;
  return { kind: "result", result: { ok: false, problems: [problem] } };
}

function remember(history: Map<string, number[]>, before: Look, now: Look): void {
  const rows = topRows(before, now);
  const add = (name: string, rate: number): void => {
    history.set(name, lastOf([...(history.get(name) ?? []), rate], HISTORY_MAX));
  };
  for (const { name, rate } of rows) add(name, rate);
  const pools = rows.filter(({ name }) => name.startsWith("pool "));
  add(
    "",
    pools.reduce((sum, { rate }) => sum + rate, 0),
  );
}

function show(
  before: Look,
  now: Look,
  isJson: boolean,
  history: RateHistory,
  { isScreen, isWhole, keys }: Watch,
): void {
  const rows = topRows(before, now, keys.pool);
  const clients = clientRates(before, now);
  const workers = workerRates(before, now);
  if (isJson) {
    const told = clients.map(({ row, ...rates }) => ({ ...row, ...rates }));
    const { hot: hotkeys, big: bigkeys } = now;
    const line = { ok: true, rows, clients: told, hotkeys, bigkeys, workers };
    process.stdout.write(`${JSON.stringify(line)}\n`);
    return;
  }
  const { columns = 80, rows: lines = 24 } = process.stdout;
  const body: Readonly<Record<Exclude<View, "all">, (most: number) => string[]>> = {
    clients: (most) => clientLines(firstOf(clients, most)),
    keys: (most) => keyLines(firstOf(now.hot, most), firstOf(now.big, most)),
    workers: () => workerLines(workers),
  };
  const overview = { rows, look: now, leaders: leaders(clients, now), history };
  const screenOf = (view: View, sort: SortKey): string[] => {
    const most = Math.max(1, view === "keys" ? (lines - 9) >> 1 : lines);
    return view === "all"
      ? topScreen(overview, sort, { columns, lines })
      : viewScreen(body[view](most), now, history, { columns, lines });
  };
  if (isScreen) {
    process.stdout.write(`${CLEAR}${screenOf(keys.view, keys.sort).join("\n")}`);
    return;
  }
  const whole = { columns, lines: rows.length + 12 };
  const views: readonly View[] = isWhole ? VIEWS : [keys.view];
  const parts = views.map((view) =>
    view === "all"
      ? withoutKeys(topScreen(overview, keys.sort, whole)).join("\n")
      : body[view](PRINTED_MAX).join("\n"),
  );
  process.stdout.write(`${parts.join("\n\n")}\n`);
}

/** What can be pressed is of no use where nothing can. */
function withoutKeys(lines: readonly string[]): string[] {
  return firstOf(lines, lines.length - 2);
}
