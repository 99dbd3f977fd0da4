/** `proxy migration`: keys that move to other servers, how far they are, and what holds them up. */
import { type CommandDef, defineCommand } from "citty";
import {
  MIGRATION_VERBS,
  type MigrationStatus,
  type MigrationVerb,
} from "../api/control-socket.ts";
import { MENDS, type VerifyOrder } from "../api/migration.ts";
import { VERIFY_MS_MAX } from "../base/migration-limits.ts";
import { CONTROL_ARGS, type ControlFlags, callProxy, report } from "./control-client.ts";
import { EXIT_FAILED, EXIT_USAGE } from "./exit-codes.ts";
import { hasFaults, verificationText } from "./migration-verify.ts";
import { formatTable } from "./table.ts";

const ARGS = {
  ...CONTROL_ARGS,
  verb: {
    type: "positional",
    required: true,
    valueHint: "VERB",
    description:
      "status, pause, resume, cancel, verify: look whether keys are where they belong, or forget: a host is gone for good",
  },
  pool: {
    type: "positional",
    required: false,
    valueHint: "POOL",
    description: "Only of this pool (default: of all); forget: the host",
  },
  watch: {
    type: "boolean",
    alias: "w",
    default: false,
    description: "status: go on until all keys have moved",
  },
  sample: {
    type: "string",
    valueHint: "N",
    description: "verify: look at about so many keys of each server (default: at all)",
  },
  mend: {
    type: "string",
    valueHint: "HOW",
    description:
      "verify: 'move' keys that are not where they belong to their servers, unless these have them, or 'remove' them",
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
    const { pool = null } = args;
    if (args.verb === "verify") return await verify(args, pool);
    if (args.verb === "forget") return await forget(args, pool);
    const order = MIGRATION_VERBS.find((verb) => verb === args.verb);
    if (order === undefined) {
      return misused(
        `expected one of ${MIGRATION_VERBS.join(", ")}, verify, forget, found "${args.verb}"`,
      );
    }
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

async function forget(flags: ControlFlags, host: string | null): Promise<number> {
  if (host === null) return misused("forget: name the host, as proxy status shows it");
  const options = { timeoutMs: TIMEOUT_MS, untilGone: false };
  return report(await callProxy(flags, { verb: "forget_host", host }, options), flags.json, () => {
    return `no change of servers waits for host ${host} any more\n`;
  });
}

interface VerifyFlags extends ControlFlags {
  readonly sample?: string | undefined;
  readonly mend?: string | undefined;
}

/** @returns the exit code: 1 also when keys are not where they belong */
async function verify(flags: VerifyFlags, pool: string | null): Promise<number> {
  const mend = MENDS.find((one) => one === flags.mend) ?? null;
  if (mend === null && flags.mend !== undefined) {
    return misused(`--mend: expected ${MENDS.join(" or ")}, found "${flags.mend}"`);
  }
  const sample = flags.sample === undefined ? null : Number(flags.sample);
  if (sample !== null && (!Number.isSafeInteger(sample) || sample < 1)) {
    return misused(`--sample: expected a number of keys, found "${flags.sample}"`);
  }
  const order: VerifyOrder = { verb: "verify_keys", pool, mend, sample };
  const answer = await callProxy(flags, order, { timeoutMs: VERIFY_MS_MAX, untilGone: false });
  const code = report(answer, flags.json, (result) => {
    return result.verb === "verify_keys" ? verificationText(result.pools) : "";
  });
  if (answer.kind !== "result" || !answer.result.ok) return code;
  const isFaulty = answer.result.verb === "verify_keys" && hasFaults(answer.result.pools);
  return isFaulty ? EXIT_FAILED : code;
}

function misused(problem: string): number {
  process.stderr.write(`proxy: migration: ${problem}\n`);
  return EXIT_USAGE;
}

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
