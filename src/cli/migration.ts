/** `proxy migration`: keys that move to other servers, how far they are, and what holds them up. */
import { type CommandDef, defineCommand } from "citty";
import {
  MIGRATION_VERBS,
  type MigrationStatus,
  type MigrationVerb,
} from "../api/control-socket.ts";
import { CONTROL_ARGS, callProxy, report } from "./control-client.ts";
import { EXIT_USAGE } from "./exit-codes.ts";
import { formatTable } from "./table.ts";

const ARGS = {
  ...CONTROL_ARGS,
  verb: {
    type: "positional",
    required: true,
    valueHint: "VERB",
    description: "status, pause, resume or cancel",
  },
  pool: {
    type: "positional",
    required: false,
    valueHint: "POOL",
    description: "Only of this pool (default: of all)",
  },
  watch: {
    type: "boolean",
    alias: "w",
    default: false,
    description: "status: go on until all keys have moved",
  },
} as const;

/** A cancel waits for requests that are at servers. */
const TIMEOUT_MS = 30_000;
const LOOK_MS = 500;
const BAR = 30;

const definition = defineCommand({
  meta: {
    name: "migration",
    description: "Show keys that move to other servers; pause, resume or take back their move",
  },
  args: ARGS,
  async run({ args }): Promise<number> {
    const order = MIGRATION_VERBS.find((verb) => verb === args.verb);
    if (order === undefined) {
      const known = MIGRATION_VERBS.join(", ");
      process.stderr.write(`proxy: migration: expected one of ${known}, found "${args.verb}"\n`);
      return EXIT_USAGE;
    }
    const { pool = null } = args;
    for (;;) {
      const options = { timeoutMs: TIMEOUT_MS, untilGone: false };
      const answer = await callProxy(args, { verb: "migration", order, pool }, options);
      let isUnderWay = false;
      const code = report(answer, args.json, (result) => {
        if (result.verb !== "migration") return "";
        isUnderWay = result.migrations.some(({ phase }) => phase !== "declined");
        return textOf(order, result.pools, result.migrations);
      });
      if (!args.watch || order !== "status" || !isUnderWay || code !== 0) return code;
      await Bun.sleep(LOOK_MS);
    }
  },
});

/** The type of its flags matters to itself only. */
export const migrationCommand: CommandDef = definition as unknown as CommandDef;

const DONE: Readonly<Record<Exclude<MigrationVerb, "status">, string>> = {
  pause: "keys move only when clients ask for them, until: proxy migration resume",
  resume: "keys move on",
  cancel:
    "keys go back to the servers that they came from; change the file back, too, or the next reload begins anew",
};

function textOf(
  order: MigrationVerb,
  pools: readonly string[],
  migrations: readonly MigrationStatus[],
): string {
  const done = order === "status" ? [] : pools.map((pool) => `pool ${pool}: ${DONE[order]}`);
  const shown = migrations.flatMap(linesOf);
  const all = [...done, ...shown];
  return `${all.length === 0 ? "No keys move to other servers." : all.join("\n")}\n`;
}

function linesOf(status: MigrationStatus): string[] {
  const { pool, phase, from, to, servers, swept, sources, problem } = status;
  const ways = `${from.join(" ")} → ${to.join(" ")}`;
  if (phase === "declined") {
    return [
      `pool ${pool}: keys stay on ${from.join(" ")}, as an operator has decided; the file says ${to.join(" ")}: a reload moves them`,
    ];
  }
  const shares = servers.map(({ keys, seen }) => (keys === 0 ? 1 : Math.min(1, seen / keys)));
  const share = shares.reduce((sum, one) => sum + one, 0) / Math.max(1, sources);
  const filled = Math.round(BAR * Math.min(1, share));
  const bar = `[${"#".repeat(filled)}${".".repeat(BAR - filled)}] ${Math.floor(100 * Math.min(1, share))}%`;
  const head =
    phase === "before"
      ? `pool ${pool}: about to move, ${ways}: ${status.isPaused ? "paused" : "the new servers are looked at, and then all workers change together"}`
      : `pool ${pool}: ${status.isReverse ? "moving back" : "moving"}, ${ways}${status.isPaused ? ", paused" : ""} ${bar}`;
  const rows = servers.map(({ address, keys, seen, found, failed }) => [
    ...[
      `  ${address}`,
      `${seen} of ${keys} keys seen`,
      `${found} ${phase === "before" ? "in the way" : "moved"}`,
    ],
    ...[failed === 0 ? "" : `${failed} failed`, swept.includes(address) ? "done" : ""],
  ]);
  return [
    head,
    ...formatTable(rows, []),
    ...(problem === null ? [] : [`  in the way: ${problem}`]),
  ];
}
