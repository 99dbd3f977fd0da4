/** One command of the proxy, such as `proxy reload`, run to its end. */
import type { Status } from "../../src/api/control-socket.ts";
import { type ProxyProcess, proxyCommand } from "./proxy-process.ts";

export interface CommandResult {
  readonly code: number;
  readonly output: string;
  readonly errors: string;
}

/** Longer than anything waits here; only a broken program does. */
const DEADLINE_MS = 50_000;

/** Runs `proxy VERB -c FILE ARGS` for a running proxy. */
export function commandOf(
  proxy: Pick<ProxyProcess, "configFile">,
  verb: string,
  ...args: string[]
): Promise<CommandResult> {
  return runCommand([verb, "-c", proxy.configFile, ...args]);
}

export async function runCommand(args: readonly string[]): Promise<CommandResult> {
  const child = Bun.spawn([...proxyCommand(), ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    timeout: DEADLINE_MS,
  });
  const [output, errors] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  return { code: await child.exited, output, errors };
}

/** The same, and an exception unless it went well; what it printed with --json. */
export async function mustRun<Result>(
  proxy: Pick<ProxyProcess, "configFile">,
  verb: string,
  ...args: string[]
): Promise<Result> {
  const { code, output, errors } = await commandOf(proxy, verb, "--json", ...args);
  if (code !== 0) throw new Error(`proxy ${verb}: exit code ${code}\n${output}${errors}`);
  return JSON.parse(output) as Result;
}

export async function statusOf(proxy: Pick<ProxyProcess, "configFile">): Promise<Status> {
  return (await mustRun<{ readonly status: Status }>(proxy, "status")).status;
}
