/** `proxy hotkeys`: keys that most requests ask for. `proxy bigkeys`: keys that are large. */
import { type CommandDef, defineCommand } from "citty";
import {
  BIG_KEY_ORDERS,
  type BigKeyRow,
  type BigKeysReport,
  type HotKeyRow,
  type HotKeysReport,
} from "../api/key-report.ts";
import { CONTROL_ARGS, callProxy, report } from "./control-client.ts";
import { EXIT_USAGE } from "./exit-codes.ts";
import { formatBytes } from "./figures.ts";
import { formatKey } from "./key-text.ts";
import { formatTable } from "./table.ts";

const ARGS = {
  ...CONTROL_ARGS,
  pool: {
    type: "positional",
    required: false,
    valueHint: "POOL",
    description: "Only of this pool",
  },
  number: {
    type: "string",
    alias: "n",
    valueHint: "N",
    default: "20",
    description: "The first N (default: 20)",
  },
} as const;

const CALL = { timeoutMs: 5_000, untilGone: false };

const hotkeys = defineCommand({
  meta: { name: "hotkeys", description: "Show the keys that most requests ask for" },
  args: ARGS,
  async run({ args }): Promise<number> {
    const limit = limitOf(args.number);
    if (limit === null) return EXIT_USAGE;
    const request = { verb: "hotkeys", pool: args.pool ?? null, limit } as const;
    return report(await callProxy(args, request, CALL), args.json, (result) =>
      result.verb === "hotkeys" ? hotText(result.report) : "",
    );
  },
});

const bigkeys = defineCommand({
  meta: { name: "bigkeys", description: "Show the largest keys that were noticed" },
  args: {
    ...ARGS,
    sort: {
      type: "string",
      valueHint: "BY",
      default: "bytes",
      description: `The most of it first: ${BIG_KEY_ORDERS.join(" or ")} (default: bytes)`,
    },
    reset: { type: "boolean", default: false, description: "Forget what is kept (of the pool)" },
  },
  async run({ args }): Promise<number> {
    const limit = limitOf(args.number);
    const order = BIG_KEY_ORDERS.find((name) => name === args.sort);
    if (order === undefined) {
      process.stderr.write(
        `proxy: --sort: expected ${BIG_KEY_ORDERS.join(" or ")}, found "${args.sort}"\n`,
      );
    }
    if (limit === null || order === undefined) return EXIT_USAGE;
    const { pool = null } = args;
    if (args.reset) {
      const answer = await callProxy(args, { verb: "bigkeys_reset", pool }, CALL);
      return report(answer, args.json, () => "what was kept is forgotten\n");
    }
    const answer = await callProxy(args, { verb: "bigkeys", pool, limit, order }, CALL);
    return report(answer, args.json, (result) =>
      result.verb === "bigkeys" ? bigText(result.report) : "",
    );
  },
});

/** The type of their flags matters to themselves only. */
export const hotkeysCommand: CommandDef = hotkeys as unknown as CommandDef;
export const bigkeysCommand: CommandDef = bigkeys as unknown as CommandDef;

function limitOf(text: string): number | null {
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text);
  process.stderr.write(`proxy: -n: expected a number, found "${text}"\n`);
  return null;
}

const HOT_HEADING = ["pool", "share", "requests/s", "bytes/s", "command", "server", "key"];

function hotText({ rows, windowMs, requests, samples }: HotKeysReport): string {
  const lines =
    rows.length === 0
      ? ["No keys were asked for."]
      : formatTable([HOT_HEADING, ...rows.map(hotCells)], [1, 2, 3]);
  const last =
    `Of the last ${windowMs / 1000} s: ${requests} requests, ` +
    `of which ${samples} were looked at.`;
  return [...lines, last].map((line) => `${line}\n`).join("");
}

function hotCells(row: HotKeyRow): string[] {
  const { pool, share, perSecond, requests, bytes, command, server, key } = row;
  const bytesPerSecond = requests === 0 ? 0 : (bytes / requests) * perSecond;
  return [
    ...[pool, `${(share * 100).toFixed(1)}%`, perSecond.toFixed(perSecond < 10 ? 1 : 0)],
    ...[formatBytes(Math.round(bytesPerSecond)), shownCommand(command), server ?? "-", key],
  ];
}

const BIG_HEADING = [
  ...["pool", "bytes", "elements", "seen", "last seen", "command", "server", "client", "key"],
];

function bigText({ rows, kept }: BigKeysReport): string {
  if (rows.length === 0) return "No big keys were noticed.\n";
  const lines = formatTable([BIG_HEADING, ...rows.map(bigCells)], [1, 2, 3]);
  if (kept > rows.length) lines.push(`${kept - rows.length} more are known: -n ${kept}`);
  return lines.map((line) => `${line}\n`).join("");
}

function bigCells(row: BigKeyRow): string[] {
  const { pool, bytes, elements, seen, atMs, command, server, address, key } = row;
  return [
    ...[pool, formatBytes(bytes), elements === null ? "-" : `${elements}`, `${seen}`],
    ...[new Date(atMs).toISOString(), shownCommand(command), server ?? "-", address, key],
  ];
}

/** A client may have sent anything in a command's place. */
function shownCommand(command: string): string {
  return formatKey(Buffer.from(command));
}
