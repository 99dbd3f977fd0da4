/** `proxy run`, which is also plain `proxy`: reads the configuration and becomes the supervisor. */

import { closeSync, openSync } from "node:fs";
import { type CommandDef, defineCommand } from "citty";
import type { Config } from "../api/config.ts";
import type { ConfigAnswer } from "../api/control.ts";
import type { SettingsAnswer } from "../api/settings.ts";
import { COMMIT, VERSION } from "../base/version.ts";
import { readState } from "../supervisor/program/supervisor-state.ts";
import { resumeSupervisor, runSupervisor } from "../supervisor/run-supervisor.ts";
import { StartError } from "../supervisor/start-error.ts";
import type { ConfigSource, ReadyFacts } from "../supervisor/supervisor-options.ts";
import { SignalQueue } from "../supervisor/system/signals.ts";
import { answerSettings } from "./answer-settings.ts";
import { testConfigFile } from "./check.ts";
import { readConfigFile } from "./config-file.ts";
import { type Launcher, launchDaemon } from "./daemon.ts";
import { describeStats } from "./describe-stats.ts";
import { EXIT_FAILED, EXIT_OK, EXIT_USAGE } from "./exit-codes.ts";
import { applyFlags, RUN_ARGS, type RunFlags } from "./run-flags.ts";

/** What the command gets besides its flags. */
export interface RunData {
  /** In a daemon process: who started it. */
  readonly launcher: Launcher | null;
  /** Holds what another program left to this one, which goes on in its place. */
  readonly stateFd: number | null;
  /** Catches signals already; null: they are not caught yet. */
  readonly signals: SignalQueue | null;
  /** Only print what this file and the flags come to. */
  readonly configFile: string | null;
  /** Only answer a question about settings of a proxy that runs with `configFile`, see api/settings.ts. */
  readonly answersSettings: boolean;
  /** The whole command line. */
  readonly runArguments: readonly string[];
}

export interface ProxyOptions {
  readonly source: ConfigSource | null;
  readonly isDaemon: boolean;
  onReady(facts: ReadyFacts): void;
}

/** Time for last words on a pipe. */
const END_GRACE_MS = 1_000;

export const runCommand: CommandDef<typeof RUN_ARGS> = defineCommand({
  meta: { name: "run", description: "Run the proxy in the foreground (the default)" },
  args: RUN_ARGS,
  async run({ args, rawArgs, data }): Promise<number> {
    const { launcher, stateFd, configFile, signals, runArguments } = data as RunData;
    if (configFile !== null) return printAnswer(await answerOf(data as RunData, configFile, args));
    if (stateFd !== null) {
      return endSoon(await resume(stateFd, signals ?? new SignalQueue(), runArguments));
    }
    if (args.version) return print(versionText());
    if (args["describe-stats"]) return print(describeStats());
    if (args["test-conf"]) return testConfigFile(args.config);
    if (args.daemonize && launcher === null) return launchDaemon(["run", ...rawArgs]);
    const file = await readConfigFile(args.config);
    process.stderr.write(file.text);
    if (file.config === null) return EXIT_FAILED;
    const applied = applyFlags(file.config, args);
    if ("problems" in applied) return complain(applied.problems, EXIT_USAGE);
    if (args["mbuf-size"] !== undefined) {
      process.stderr.write("proxy: --mbuf-size has no effect here and may be left out\n");
    }
    if (launcher !== null && applied.config.log.file === null) {
      process.stderr.write("proxy: in the background log lines are lost; name a file with -o\n");
    }
    const code = await runProxy(applied.config, {
      source: sourceOf(applied.config.file, runArguments),
      isDaemon: launcher !== null,
      onReady: () => launcher?.onReady(),
    });
    return endSoon(code);
  },
});

/** Runs until a signal ends it; why it cannot start goes to stderr. @returns the exit code */
export async function runProxy(config: Config, options: ProxyOptions): Promise<number> {
  try {
    const signals = new SignalQueue();
    return await runSupervisor(config, { hasTerminal: hasTerminal(), signals, ...options });
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    return complain(error.problems, EXIT_FAILED);
  }
}

/** The process ends by itself when nothing is left to do; and without that soon after: the one who stopped it was told so. */
function endSoon(code: number): number {
  setTimeout(() => process.exit(code), END_GRACE_MS).unref();
  return code;
}

/** Goes on in the place of another program, as the same process. */
async function resume(
  stateFd: number,
  signals: SignalQueue,
  runArguments: readonly string[],
): Promise<number> {
  const state = readState(stateFd);
  if (state === null) return complain(["nothing was left to go on with"], EXIT_FAILED);
  closeSync(stateFd);
  return await resumeSupervisor(state, {
    source: sourceOf(state.config.file, runArguments),
    isDaemon: state.isDaemon,
    signals,
    hasTerminal: hasTerminal(),
    onReady() {},
  });
}

function sourceOf(file: string | null, runArguments: readonly string[]): ConfigSource | null {
  return file === null ? null : { runArguments };
}

/** The file as it is now, with the flags over it; all that is wrong, with its places. */
async function readAnswer(file: string, flags: RunFlags): Promise<ConfigAnswer> {
  const { config, text } = await readConfigFile(file, false);
  const lines = text.split("\n").filter((line) => line !== "");
  if (config === null) return { problems: lines };
  const applied = applyFlags(config, flags);
  return "problems" in applied ? applied : { config: applied.config, warnings: lines };
}

function answerOf(
  { answersSettings: isAsked }: RunData,
  file: string,
  flags: RunFlags,
): Promise<ConfigAnswer | SettingsAnswer> {
  return isAsked ? answerSettings(file, flags) : readAnswer(file, flags);
}

function printAnswer(answer: ConfigAnswer | SettingsAnswer): number {
  return print(`${JSON.stringify(answer)}\n`);
}

/** Whether a user's window is behind this process. */
function hasTerminal(): boolean {
  try {
    closeSync(openSync("/dev/tty", "r"));
    return true;
  } catch {
    return false;
  }
}

/** "proxy 0.1.0 (commit 1a2b3c4, Bun 1.4.4)" */
export function versionText(): string {
  return `proxy ${VERSION} (commit ${COMMIT}, Bun ${Bun.version})\n`;
}

function print(text: string): number {
  process.stdout.write(text);
  return EXIT_OK;
}

function complain(problems: readonly string[], code: number): number {
  for (const problem of problems) process.stderr.write(`proxy: ${problem}\n`);
  return code;
}
