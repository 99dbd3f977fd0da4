/** Which process am I? The first argument says so; the supervisor and the launcher give the internal ones. */
import { setProcessName } from "../os/process.ts";
import { DAEMON_ROLE, joinLauncher, type Launcher } from "./daemon.ts";
import { runCli } from "./main-command.ts";

/** What an internal first argument starts: "__worker" and so on. They end the process themselves. */
export type Roles = Readonly<Record<string, () => void>>;

/** Runs the process that `argv` (without program and script) asks for. */
export function runRole(argv: readonly string[], roles: Roles): void {
  const [first, ...rest] = argv;
  const role = first?.startsWith("__") ? roles[first] : undefined;
  if (role !== undefined) startRole(first ?? "", role);
  else if (first === DAEMON_ROLE) runCommandLine(rest, joinLauncher());
  else runCommandLine(argv, null);
}

function startRole(name: string, role: () => void): void {
  // Started as /proc/self/exe, which leaves "exe" as its short name.
  setProcessName(`proxy ${name.substring(2)}`);
  role();
}

function runCommandLine(argv: readonly string[], launcher: Launcher | null): void {
  runCli(argv, { launcher }).then(
    (code) => {
      if (code !== undefined) process.exitCode = code;
      // Otherwise the process ends by itself: what was printed into a pipe may still be on its way.
      if (launcher !== null) process.exit();
    },
    (error: unknown) => {
      process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
      process.exit(1);
    },
  );
}
