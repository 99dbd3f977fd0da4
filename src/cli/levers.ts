/** `proxy pause`, `resume`, `readonly`, `block`, `drain`, `undrain`, `release` and `log-level`: what operators need in an incident, bounded in time. */
import { type CommandDef, defineCommand } from "citty";
import type { ControlRequest, ControlResult, LeverStatus } from "../api/control-socket.ts";
import type { LeverKind } from "../api/steering.ts";
import { parseDuration } from "../config/duration.ts";
import { CONTROL_ARGS, callProxy, report } from "./control-client.ts";
import { EXIT_USAGE } from "./exit-codes.ts";
import { leftText, setText } from "./settings-text.ts";

const TIMEOUT_MS = 30_000;

interface Flags {
  readonly config?: string | undefined;
  readonly control?: string | undefined;
  readonly json: boolean;
  readonly [name: string]: unknown;
}

/** One command: its words and flags, and what is asked of the proxy; a text says what is wrong with them. */
function lever(
  name: string,
  description: string,
  args: Readonly<Record<string, object>>,
  order: (flags: Flags) => ControlRequest | string,
): CommandDef {
  const definition = defineCommand({
    meta: { name, description },
    args: { ...args, ...CONTROL_ARGS } as typeof CONTROL_ARGS,
    async run({ args: flags }): Promise<number> {
      const request = order(flags as unknown as Flags);
      if (typeof request === "string") {
        process.stderr.write(`proxy: ${request}\nSee proxy ${name} --help\n`);
        return EXIT_USAGE;
      }
      const answer = await callProxy(flags, request, { timeoutMs: TIMEOUT_MS, untilGone: false });
      return report(answer, flags.json, (result) => `${textOf(result)}\n`);
    },
  });
  return definition as unknown as CommandDef;
}

const POOL = { type: "positional", required: true, description: "The pool's name" };
const FOR = (preset: string): object => ({
  type: "string",
  valueHint: "TIME",
  default: preset,
  description: `It ends by itself after this time (default: ${preset})`,
});

export const pauseCommand: CommandDef = lever(
  "pause",
  "Have requests of a pool wait for a moment; they go on in their order",
  { pool: POOL, "at-most": FOR("5s") },
  (flags) => leverOrder("pause", `${flags["pool"]}`, "", flags["at-most"], "--at-most"),
);

export const resumeCommand: CommandDef = lever(
  "resume",
  "End a pause: requests of the pool go on",
  { pool: POOL },
  (flags) => ({ verb: "release", id: null, kind: "pause", pool: `${flags["pool"]}` }),
);

export const readonlyCommand: CommandDef = lever(
  "readonly",
  "Refuse requests of a pool that may write, for a while",
  { pool: POOL, for: FOR("10m") },
  (flags) => leverOrder("readonly", `${flags["pool"]}`, "", flags["for"], "--for"),
);

export const blockCommand: CommandDef = lever(
  "block",
  "Refuse a command, or a command on some keys, for a while",
  {
    pattern: {
      type: "positional",
      required: true,
      description: "Command, and maybe a pattern of keys: 'FLUSHALL', 'DEL user:*', '* user:7:*'",
    },
    pool: { type: "string", valueHint: "POOL", description: "Only there (default: all pools)" },
    for: FOR("10m"),
  },
  (flags) => {
    return leverOrder("block", poolIn(flags), `${flags["pattern"]}`.trim(), flags["for"], "--for");
  },
);

const SERVER = {
  type: "positional",
  required: true,
  description: "The server's name, or its address",
};
const SERVER_POOL = {
  type: "string",
  valueHint: "POOL",
  description: "Only there (default: all pools that have it)",
};

export const drainCommand: CommandDef = lever(
  "drain",
  "Have a server take no new requests, for a while: its keys go to the others. Or with --to: have clients leave this proxy for another",
  {
    server: { ...SERVER, required: false },
    to: {
      type: "string",
      valueHint: "HOST[:PORT]",
      description:
        "Tell Redis clients that take such a hint to go there; without a port: the pool's own",
    },
    pool: { ...SERVER_POOL, description: "Only there (default: all pools that it concerns)" },
    for: FOR("10m"),
  },
  (flags) => {
    const { server, to } = flags;
    if ((server === undefined) === (to === undefined)) {
      return "name a server that shall take no requests, or with --to the proxy that clients shall go to";
    }
    const [kind, text] =
      to === undefined ? (["drain", server] as const) : (["drain_to", to] as const);
    return leverOrder(kind, poolIn(flags), `${text}`, flags["for"], "--for");
  },
);

export const undrainCommand: CommandDef = lever(
  "undrain",
  "End a drain: the server takes requests again",
  { server: SERVER, pool: SERVER_POOL },
  (flags) => {
    const text = `${flags["server"]}`;
    return { verb: "release", id: null, kind: "drain", pool: poolIn(flags), text };
  },
);

export const releaseCommand: CommandDef = lever(
  "release",
  "End what pause, readonly, block and drain hold back, before its time",
  { lever: { type: "positional", required: true, description: "Its number, or all" } },
  (flags) => {
    const { lever: word } = flags as { readonly lever?: string };
    if (word === "all") return { verb: "release", id: null, kind: null, pool: null };
    if (word === undefined || !/^\d{1,9}$/.test(word)) {
      return `expected the number that proxy status shows, or all, found "${word}"`;
    }
    return { verb: "release", id: Number(word), kind: null, pool: null };
  },
);

export const logLevelCommand: CommandDef = lever(
  "log-level",
  "Log more or less, for a while",
  {
    level: { type: "positional", required: true, description: "error, warn, info or debug" },
    for: FOR("10m"),
  },
  (flags) => {
    const forMs = timeOf(flags["for"], "--for");
    if (typeof forMs === "string") return forMs;
    const value = `${flags["level"]}`;
    return { verb: "config_set", path: "log.level", value, isSaved: false, reloads: false, forMs };
  },
);

/** Null: none is named. */
function poolIn(flags: Flags): string | null {
  return flags["pool"] === undefined ? null : `${flags["pool"]}`;
}

function leverOrder(
  kind: LeverKind,
  pool: string | null,
  text: string,
  time: unknown,
  flag: string,
): ControlRequest | string {
  const forMs = timeOf(time, flag);
  return typeof forMs === "string" ? forMs : { verb: "lever", kind, pool, text, forMs };
}

/** In milliseconds, or what is wrong with it. */
function timeOf(time: unknown, flag: string): number | string {
  const ms = parseDuration(`${time}`);
  if (ms !== null && ms > 0) return ms;
  return `${flag}: expected a duration such as 30s or 10m, found "${time}"`;
}

function textOf(result: Extract<ControlResult, { readonly ok: true }>): string {
  switch (result.verb) {
    case "lever":
      return [
        `${leverText(result.lever)}, in all workers; to end it: proxy release ${result.lever.id}`,
        ...(result.warnings ?? []).map((warning) => `warning: ${warning}`),
      ].join("\n");
    case "release":
      return result.levers.map((one) => `released: ${leverText(one)}`).join("\n");
    case "config_set":
      return setText(result);
    default:
      return "";
  }
}

/** "pause of pool main, for 5s more" */
export function leverText({ kind, pool, text, untilMs }: LeverStatus): string {
  const where = pool === null ? "all pools" : `pool ${pool}`;
  const word = kind.replace("_", " ");
  const what = text === "" ? word : `${word} ${JSON.stringify(text)}`;
  return `${what} of ${where}, for ${leftText(untilMs)}`;
}
