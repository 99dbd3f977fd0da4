/** The command line: which command is meant, are its flags known, and then on to it. */
import { type ArgsDef, type CommandDef, runCommand as runCitty } from "citty";
import { didYouMean } from "../config/nearest.ts";
import { checkCommand } from "./check.ts";
import { clientsCommand, kickCommand } from "./clients.ts";
import { configCommand } from "./config.ts";
import { devCommand } from "./dev.ts";
import { doctorCommand } from "./doctor.ts";
import { eventsCommand } from "./events.ts";
import { EXIT_OK, EXIT_USAGE } from "./exit-codes.ts";
import { type CommandHelp, commandHelp, mainHelp } from "./help.ts";
import { bigkeysCommand, hotkeysCommand } from "./keys.ts";
import { latencyCommand } from "./latency.ts";
import {
  blockCommand,
  drainCommand,
  logLevelCommand,
  pauseCommand,
  readonlyCommand,
  releaseCommand,
  resumeCommand,
  undrainCommand,
} from "./levers.ts";
import { migrationCommand } from "./migration.ts";
import { moduleCommand } from "./module.ts";
import { normaliseFlags } from "./nutcracker-flags.ts";
import { reloadCommand } from "./reload.ts";
import { routeCommand } from "./route.ts";
import { type RunData, runCommand, versionText } from "./run.ts";
import { slowlogCommand } from "./slowlog.ts";
import { statsCommand } from "./stats.ts";
import { statusCommand } from "./status.ts";
import { stopCommand } from "./stop.ts";
import { topCommand } from "./top.ts";
import { upgradeCommand } from "./upgrade.ts";

/** In the order of the help. What their flags are matters to themselves only. */
const COMMANDS: ReadonlyMap<string, CommandDef> = new Map(
  Object.entries({
    run: runCommand,
    check: checkCommand,
    route: routeCommand,
    doctor: doctorCommand,
    status: statusCommand,
    stats: statsCommand,
    clients: clientsCommand,
    latency: latencyCommand,
    top: topCommand,
    slowlog: slowlogCommand,
    hotkeys: hotkeysCommand,
    bigkeys: bigkeysCommand,
    reload: reloadCommand,
    migration: migrationCommand,
    upgrade: upgradeCommand,
    stop: stopCommand,
    config: configCommand,
    events: eventsCommand,
    pause: pauseCommand,
    resume: resumeCommand,
    readonly: readonlyCommand,
    block: blockCommand,
    drain: drainCommand,
    undrain: undrainCommand,
    release: releaseCommand,
    kick: kickCommand,
    "log-level": logLevelCommand,
    module: moduleCommand,
    dev: devCommand,
  }) as unknown as [string, CommandDef][],
);

/** Commands that only print. */
const PRINTED = ["help", "version"];

/** Every command has it, so it stands in no definition. */
const HELP_ARG: ArgsDef = { help: { type: "boolean", alias: ["h", "?"] } };

/** @returns the exit code; undefined: the command leaves it to `process.exitCode`. */
export async function runCli(argv: readonly string[], data: RunData): Promise<number | undefined> {
  const [first] = argv;
  // Without a command it is `run`, as nutcracker's users expect.
  if (first === undefined || first.startsWith("-")) return await runVerb(null, argv, data);
  const rest = argv.toSpliced(0, 1);
  if (first === "help") return printHelp(rest[0] ?? null);
  if (first === "version") return print(versionText());
  return await runVerb(first, rest, data);
}

/** @param name as written; null: none was. */
async function runVerb(
  name: string | null,
  argv: readonly string[],
  data: RunData,
): Promise<number | undefined> {
  const command = COMMANDS.get(name ?? "run");
  if (command === undefined) return unknownCommand(name ?? "run");
  const args = await argsOf(command);
  const flags = normaliseFlags(argv, { ...HELP_ARG, ...args });
  if ("problem" in flags) return misuse(flags.problem, name);
  if (flags.args.includes("--help")) return printHelp(name);
  const takesWords = Object.values(args).some((arg) => arg.type === "positional");
  const [extra] = flags.positionals;
  if (extra !== undefined && !takesWords) return unexpected(extra, name);
  try {
    const { result } = await runCitty(command, { rawArgs: [...flags.args], data });
    return typeof result === "number" ? result : undefined;
  } catch (error) {
    // citty's complaint about a missing or wrong argument.
    if (error instanceof Error && error.name === "CLIError") return misuse(error.message, name);
    throw error;
  }
}

async function printHelp(name: string | null): Promise<number> {
  if (name === null) {
    const all = [...COMMANDS].map(([verb, command]) => helpOf(verb, command));
    return print(mainHelp(await Promise.all(all)));
  }
  const command = COMMANDS.get(name);
  if (command === undefined) return unknownCommand(name);
  return print(commandHelp(await helpOf(name, command)));
}

async function helpOf(name: string, command: CommandDef): Promise<CommandHelp> {
  const meta = typeof command.meta === "function" ? await command.meta() : await command.meta;
  return { name, description: meta?.description ?? "", args: await argsOf(command) };
}

async function argsOf(command: CommandDef): Promise<ArgsDef> {
  const args = typeof command.args === "function" ? await command.args() : await command.args;
  return args ?? {};
}

function unknownCommand(name: string): number {
  const hint = didYouMean(name, [...COMMANDS.keys(), ...PRINTED]);
  return misuse(`unknown command "${name}"${hint}`, null);
}

/** A word that no flag takes. Behind flags it may be a command in the wrong place. */
function unexpected(word: string, name: string | null): number {
  if (name === null && COMMANDS.has(word)) {
    return misuse(`the command comes first: proxy ${word} …`, null);
  }
  return misuse(`unexpected argument "${word}"`, name);
}

function misuse(problem: string, name: string | null): number {
  const help = name === null ? "proxy --help" : `proxy ${name} --help`;
  process.stderr.write(`proxy: ${problem}\nSee ${help}\n`);
  return EXIT_USAGE;
}

function print(text: string): number {
  process.stdout.write(text);
  return EXIT_OK;
}
