/** `proxy top`: rates and percentiles, again each second. */
import { type CommandDef, defineCommand } from "citty";
import { parseDuration } from "../config/duration.ts";
import { askStatus } from "./ask-status.ts";
import { type Answer, CONTROL_ARGS, type ControlFlags, report } from "./control-client.ts";
import { EXIT_OK, EXIT_USAGE } from "./exit-codes.ts";
import { type Look, SORT_KEYS, type SortKey, topRows, topScreen } from "./top-screen.ts";

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
type Args = typeof CONTROL_ARGS & {
  readonly interval: typeof INTERVAL_ARG;
  readonly count: typeof COUNT_ARG;
};
const ARGS: Args = { ...CONTROL_ARGS, interval: INTERVAL_ARG, count: COUNT_ARG };

const INTERVAL_MS_MIN = 100;
const CLEAR = "\x1b[H\x1b[2J";
const CTRL_C = "\x03";

export const topCommand: CommandDef<Args> = defineCommand({
  meta: { name: "top", description: "Show rates and percentiles as they change" },
  args: ARGS,
  async run({ args }): Promise<number> {
    const intervalMs = parseDuration(args.interval);
    const isScreen = process.stdout.isTTY === true && !args.json;
    const count = args.count === undefined ? null : Number(args.count);
    if (intervalMs === null || intervalMs < INTERVAL_MS_MIN || !(count === null || count > 0)) {
      process.stderr.write("proxy: --interval takes a time from 100ms on, --count a number\n");
      return EXIT_USAGE;
    }
    const looks = count ?? (isScreen ? Number.POSITIVE_INFINITY : 1);
    const keys = new Keys(isScreen);
    try {
      return await watch(args, { intervalMs, looks, isScreen, keys });
    } finally {
      keys.close();
    }
  },
});

interface Watch {
  readonly intervalMs: number;
  readonly looks: number;
  readonly isScreen: boolean;
  readonly keys: Keys;
}

/** @returns the exit code */
async function watch(
  flags: ControlFlags,
  { intervalMs, looks, isScreen, keys }: Watch,
): Promise<number> {
  let before = await look(flags);
  for (let shown = 0; shown < looks; shown++) {
    if (!("status" in before)) return report(before, flags.json, () => "");
    await keys.pause(intervalMs);
    if (keys.isQuit) return EXIT_OK;
    const now = await look(flags);
    if ("status" in now) show(before, now, flags.json, isScreen, keys.sort);
    before = now;
  }
  return "status" in before ? EXIT_OK : report(before, flags.json, () => "");
}

function show(before: Look, now: Look, isJson: boolean, isScreen: boolean, key: SortKey): void {
  const rows = topRows(before, now);
  if (isJson) {
    process.stdout.write(`${JSON.stringify({ ok: true, rows })}\n`);
    return;
  }
  const { columns = 80, rows: lines = 24 } = process.stdout;
  const screen = isScreen ? { columns, lines } : { columns: 80, lines: rows.length + 5 };
  const text = topScreen(rows, now, key, screen).join("\n");
  process.stdout.write(isScreen ? `${CLEAR}${text}` : `${text}\n`);
}

async function look(flags: ControlFlags): Promise<Look | Answer> {
  const answer = await askStatus(flags);
  if (answer.kind !== "result" || !answer.result.ok || answer.result.verb !== "status") {
    return answer;
  }
  return { status: answer.result.status, atMs: performance.now() };
}

/** What is pressed meanwhile; without a terminal nothing is. */
class Keys {
  sort: SortKey = "name";
  isQuit = false;
  readonly #isRaw: boolean;
  #wake: () => void = () => {};

  constructor(isScreen: boolean) {
    this.#isRaw = isScreen && process.stdin.isTTY === true;
    if (!this.#isRaw) return;
    process.stdin.setRawMode(true);
    process.stdin.on("data", (data) => {
      for (const key of `${data}`) this.#press(key);
    });
  }

  #press(key: string): void {
    if (key === "q" || key === CTRL_C) this.isQuit = true;
    this.sort = SORT_KEYS[key] ?? this.sort;
    if (this.isQuit) this.#wake();
  }

  /** Ends early when the user quits. */
  async pause(ms: number): Promise<void> {
    const woken = Promise.withResolvers<void>();
    this.#wake = () => woken.resolve();
    await Promise.race([Bun.sleep(ms), woken.promise]);
  }

  close(): void {
    if (!this.#isRaw) return;
    process.stdin.setRawMode(false);
    process.stdin.pause();
    process.stdout.write("\n");
  }
}
