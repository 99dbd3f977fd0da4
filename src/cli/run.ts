/** `proxy run`, which is also plain `proxy`: reads the configuration and becomes the supervisor. */
import { type CommandDef, defineCommand } from "citty";
import type { Config } from "../api/config.ts";
import { COMMIT, VERSION } from "../base/version.ts";
import { StartError } from "../supervisor/start-error.ts";
import { type ReadyFacts, runSupervisor } from "../supervisor/supervisor.ts";
import { testConfigFile } from "./check.ts";
import { readConfigFile } from "./config-file.ts";
import { type Launcher, launchDaemon } from "./daemon.ts";
import { describeStats } from "./describe-stats.ts";
import { EXIT_FAILED, EXIT_OK, EXIT_USAGE } from "./exit-codes.ts";
import { applyFlags, RUN_ARGS } from "./run-flags.ts";

/** What the command gets besides its flags: set in a daemon process only. */
export interface RunData {
  readonly launcher: Launcher | null;
}

export interface ProxyOptions {
  readonly isDaemon: boolean;
  onReady(facts: ReadyFacts): void;
}

export const runCommand: CommandDef<typeof RUN_ARGS> = defineCommand({
  meta: { name: "run", description: "Run the proxy in the foreground (the default)" },
  args: RUN_ARGS,
  async run({ args, rawArgs, data }): Promise<number> {
    const { launcher } = data as RunData;
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
    return runProxy(applied.config, {
      isDaemon: launcher !== null,
      onReady: () => launcher?.onReady(),
    });
  },
});

/** Runs until a signal ends it; why it cannot start goes to stderr. @returns the exit code */
export async function runProxy(config: Config, options: ProxyOptions): Promise<number> {
  try {
    return await runSupervisor(config, { version: VERSION, ...options });
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    return complain(error.problems, EXIT_FAILED);
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
