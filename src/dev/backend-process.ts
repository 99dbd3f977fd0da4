/** Starts and ends the process of `dev-backend.ts`, from the process that depends on it. */
import { rmSync } from "node:fs";
import { selfCommand } from "../os/self-command.ts";
import { DEV_BACKEND_ROLE, type DevBackendReady } from "./dev-backend.ts";

export interface DevBackend extends DevBackendReady {
  readonly pid: number;
  /** Resolves when the process is gone, with what it left as: "exit code 1", "SIGKILL". */
  readonly gone: Promise<string>;
  /** Ends the process; resolves when it is gone and its directory removed. */
  stop(): Promise<void>;
}

/** @param command what starts this program. @throws Error when the process ends before it is ready; it has said why on stderr */
export async function startDevBackend(
  shards: number,
  command: readonly string[] = selfCommand(),
): Promise<DevBackend> {
  const child = Bun.spawn({
    cmd: [...command, DEV_BACKEND_ROLE, String(shards)],
    argv0: "proxy: dev backend",
    stdin: "pipe",
    stdout: "pipe",
    stderr: "inherit",
  });
  const gone = child.exited.then((code) => String(child.signalCode ?? `exit code ${code}`));
  const line = await firstLine(child.stdout);
  if (line === null) throw new Error(`the embedded servers did not start (${await gone})`);
  const ready = JSON.parse(line) as DevBackendReady;
  const stop = async () => {
    await child.stdin.end();
    await child.exited;
    // It does so itself, unless it was killed.
    rmSync(ready.directory, { recursive: true, force: true });
  };
  return { ...ready, pid: child.pid, gone, stop };
}

/** @returns null when the stream ends without one */
async function firstLine(stream: ReadableStream<Uint8Array>): Promise<string | null> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of stream) {
    text += decoder.decode(chunk, { stream: true });
    const end = text.indexOf("\n");
    if (end >= 0) return text.substring(0, end);
  }
  return null;
}
