/** A real memcached for tests, on a loopback port, or on a unix socket when asked. */
import { join } from "node:path";
import { freePort } from "./free-port.ts";
import { makeDirectory, type ServerProcess, startServer } from "./server-process.ts";

export interface MemcachedServer {
  readonly host: string;
  /** 0 when it listens on the unix socket. */
  readonly port: number;
  /** null when it listens on TCP: memcached serves one kind of socket at a time. */
  readonly socketPath: string | null;
  readonly pid: number;
  readonly process: ServerProcess;
  stop(): Promise<void>;
}

export interface MemcachedOptions {
  /** Loopback address; default 127.0.0.1. */
  readonly host?: string;
  /** Default: a free one. A port that is given is tried once. */
  readonly port?: number;
  /** Listen on a unix socket instead of TCP. */
  readonly unix?: boolean;
  /** Further command line options, for instance `["-I", "2m"]`. */
  readonly args?: readonly string[];
}

const ATTEMPTS = 4;

export async function startMemcached(options: MemcachedOptions = {}): Promise<MemcachedServer> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await startOnce(options);
    } catch (error) {
      const retryable = options.port === undefined && options.unix !== true;
      if (!retryable || attempt === ATTEMPTS) throw error;
    }
  }
}

async function startOnce(options: MemcachedOptions): Promise<MemcachedServer> {
  const host = options.host ?? "127.0.0.1";
  const directory = makeDirectory("memcached");
  // One thread and little memory: many of them run beside each other in a test.
  const command = ["memcached", "-U", "0", "-t", "1", "-m", "16"];
  // memcached refuses to run as root without being told so.
  if (process.getuid?.() === 0) command.push("-u", "root");
  const socketPath = options.unix === true ? join(directory, "memcached.sock") : null;
  const port = socketPath === null ? (options.port ?? freePort(host)) : 0;
  if (socketPath === null) command.push("-l", host, "-p", `${port}`);
  else command.push("-s", socketPath);
  command.push(...(options.args ?? []));
  const endpoint = socketPath === null ? { host, port } : { socketPath };
  // It has nothing to save, and takes a second to heed SIGTERM.
  const server = await startServer(command, directory, [endpoint], "SIGKILL");
  return { host, port, socketPath, pid: server.pid, process: server, stop: () => server.stop() };
}
