/**
 * Real servers as child processes of a test: started in a temporary directory of their own, awaited until they
 * accept connections, ended by their pid, at the latest when the test process exits.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Where something listens: a port on an address, or the path of a unix socket. */
export type Endpoint =
  | { readonly host: string; readonly port: number }
  | { readonly socketPath: string };

export interface ServerProcess {
  readonly pid: number;
  /** Temporary directory, removed by `stop`. */
  readonly directory: string;
  /** Resolves when the process has ended, with its exit code (128 + number for a signal). */
  readonly exited: Promise<number>;
  /** Everything that it wrote to stderr and stdout so far. */
  output(): string;
  /** Ends the process and removes its directory; may be called again. */
  stop(): Promise<void>;
}

const START_TIMEOUT_MS = 30_000;
/** Less than `bun test` waits for a hook: what does not heed the signal, like a Redis in an endless script, must not stay. */
const STOP_TIMEOUT_MS = 3_000;
/** What still runs, with its directory. */
const running = new Map<Bun.Subprocess, string>();

process.on("exit", () => {
  for (const [child, directory] of running) {
    child.kill("SIGKILL");
    rmSync(directory, { recursive: true, force: true });
  }
});

export function makeDirectory(label: string): string {
  return mkdtempSync(join(tmpdir(), `proxy-test-${label}-`));
}

/**
 * Starts `command` in `directory` and waits until its output says that it is ready and every endpoint accepts a connection.
 * @throws with the process's output when it ends or does not listen in time.
 */
export async function startServer(
  command: readonly string[],
  directory: string,
  endpoints: readonly Endpoint[],
  stopSignal: "SIGTERM" | "SIGKILL" = "SIGTERM",
  isReady: (output: string) => boolean = () => true,
): Promise<ServerProcess> {
  const child = Bun.spawn([...command], {
    cwd: directory,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  running.set(child, directory);
  let text = "";
  const collect = async (stream: ReadableStream<Uint8Array>): Promise<void> => {
    const decoder = new TextDecoder();
    for await (const chunk of stream) text += decoder.decode(chunk, { stream: true });
  };
  const collected = Promise.all([collect(child.stdout), collect(child.stderr)]);
  const exited = child.exited.finally(() => running.delete(child));
  const server: ServerProcess = {
    pid: child.pid,
    directory,
    exited,
    output: () => text,
    async stop() {
      child.kill(stopSignal);
      const timer = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
      await exited;
      clearTimeout(timer);
      rmSync(directory, { recursive: true, force: true });
    },
  };
  try {
    await waitFor(child, "did not say that it is ready", () => isReady(text));
    for (const endpoint of endpoints) {
      const what = `no listener: ${JSON.stringify(endpoint)}`;
      await waitFor(child, what, () => accepts(endpoint));
    }
  } catch (error) {
    await server.stop();
    await collected;
    throw new Error(`${command[0]}: ${(error as Error).message}\n${text}`);
  }
  return server;
}

/** Waits for a condition at the start of `child`. @throws `what` when it is not met in time, or the child ends. */
async function waitFor(
  child: Bun.Subprocess,
  what: string,
  isMet: () => boolean | Promise<boolean>,
): Promise<void> {
  const deadline = performance.now() + START_TIMEOUT_MS;
  while (!(await isMet())) {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error("ended at start");
    if (performance.now() > deadline) throw new Error(what);
    await Bun.sleep(5);
  }
}

async function accepts(endpoint: Endpoint): Promise<boolean> {
  const socket = { data() {} };
  try {
    const probe = await ("socketPath" in endpoint
      ? Bun.connect({ unix: endpoint.socketPath, socket })
      : Bun.connect({ hostname: endpoint.host, port: endpoint.port, socket }));
    probe.end();
    return true;
  } catch {
    return false;
  }
}
