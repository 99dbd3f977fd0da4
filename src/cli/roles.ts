/** Which process am I? The first argument says so; the supervisor and the launcher give the internal ones. */
import { setProcessName } from "../os/process.ts";
import { DAEMON_ROLE, joinLauncher, type Launcher } from "./daemon.ts";

/** What an internal first argument starts: "__worker" and so on. They end the process themselves. */
export type Roles = Readonly<Record<string, () => void | Promise<void>>>;

/** Runs the process that `argv` (without program and script) asks for. */
export function runRole(argv: readonly string[], roles: Roles): void {
  const [first, ...rest] = argv;
  const role = first?.startsWith("__") ? roles[first] : undefined;
  if (role !== undefined) startRole(first ?? "", role);
  else if (first === DAEMON_ROLE) runCommandLine(rest, joinLauncher());
  else runCommandLine(argv, null);
}

function startRole(name: string, role: Roles[string]): void {
  // Started as /proc/self/exe, which leaves "exe" as its short name.
  setProcessName(`proxy ${name.substring(2)}`);
  Promise.resolve(role()).catch(die);
}

function runCommandLine(argv: readonly string[], launcher: Launcher | null): void {
  const run = async (): Promise<void> => {
    // Loaded only here: a worker that replaces another must not spend its first milliseconds on the command line.
    const { runCli } = await import("./main-command.ts");
    const code = await runCli(argv, { launcher });
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
