/** Which process am I? The first argument says so; the supervisor and the launcher give the internal ones. */
import { ABOUT_ROLE, CONFIG_ROLE, REHEARSE_ROLE, STATE_VARIABLE } from "../api/control.ts";
import { SETTINGS_ROLE } from "../api/settings.ts";
import { setProcessName } from "../os/process.ts";
import { releaseSignals } from "../os/signal-mask.ts";
import { SignalQueue, WATCHED_SIGNALS } from "../supervisor/system/signals.ts";
import { DAEMON_ROLE, joinLauncher, type Launcher } from "./daemon.ts";

/** What an internal first argument starts: "__worker" and so on. They end the process themselves. */
export type Roles = Readonly<Record<string, () => void | Promise<void>>>;

/** Runs the process that `argv` (without program and script) asks for. */
export function runRole(argv: readonly string[], roles: Roles): void {
  const [first, ...rest] = argv;
  const stateFd = takeStateFd();
  const role = first?.startsWith("__") ? roles[first] : undefined;
  if (role !== undefined) startRole(first ?? "", role);
  else if (first === ABOUT_ROLE || first === REHEARSE_ROLE) runSelfTest(first);
  else if (first === CONFIG_ROLE)
    runCommandLine(rest.toSpliced(0, 1), { configFile: rest[0] ?? "" });
  else if (first === SETTINGS_ROLE)
    runCommandLine(rest.toSpliced(0, 1), { configFile: rest[0] ?? "", answersSettings: true });
  else if (stateFd !== null) runCommandLine(argv, { stateFd, signals: resumeSignals() });
  else if (first === DAEMON_ROLE) runCommandLine(rest, { launcher: joinLauncher() });
  else runCommandLine(argv, {});
}

/** This process was another program's supervisor a moment ago. For no child to see. */
function takeStateFd(): number | null {
  const text = process.env[STATE_VARIABLE];
  if (text === undefined) return null;
  delete process.env[STATE_VARIABLE];
  return Number(text);
}

/** At once: a signal that comes before it is caught may end the process. And no child may start with signals held back. */
function resumeSignals(): SignalQueue {
  const signals = new SignalQueue();
  releaseSignals(WATCHED_SIGNALS);
  return signals;
}

function runSelfTest(role: string): void {
  const run = async (): Promise<void> => {
    const { printAbout, rehearseState } = await import("./self-test.ts");
    if (role === ABOUT_ROLE) printAbout();
    else process.exitCode = rehearseState();
  };
  run().catch(die);
}

function startRole(name: string, role: Roles[string]): void {
  // Started as /proc/self/exe, which leaves "exe" as its short name.
  setProcessName(`proxy ${name.substring(2)}`);
  Promise.resolve(role()).catch(die);
}

interface CommandLine {
  readonly launcher?: Launcher;
  readonly stateFd?: number;
  readonly configFile?: string;
  readonly answersSettings?: boolean;
  readonly signals?: SignalQueue;
}

function runCommandLine(argv: readonly string[], options: CommandLine): void {
  const { launcher = null, stateFd = null, configFile = null, signals = null } = options;
  const { answersSettings = false } = options;
  const run = async (): Promise<void> => {
    // Loaded only here: a worker that replaces another must not spend its first milliseconds on the command line.
    const { runCli } = await import("./main-command.ts");
    const data = { launcher, stateFd, configFile, answersSettings, signals, runArguments: argv };
    const code = await runCli(argv, data);
    if (code !== undefined) process.exitCode = code;
    // Otherwise the process ends by itself: what was printed into a pipe may still be on its way.
    if (launcher !== null) process.exit();
  };
  run().catch(die);
}

function die(error: unknown): never {
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
  process.exit(1);
}
