/** A real redis-server for tests: no persistence, on a loopback port and on a unix socket. */
import { join } from "node:path";
import { freePort } from "./free-port.ts";
import { makeDirectory, type ServerProcess, startServer } from "./server-process.ts";

export interface RedisServer {
  readonly host: string;
  readonly port: number;
  readonly socketPath: string;
  readonly pid: number;
  readonly process: ServerProcess;
  stop(): Promise<void>;
}

export interface RedisOptions {
  /** Loopback address; default 127.0.0.1. */
  readonly host?: string;
  /** Default: a free one. A port that is given is tried once. */
  readonly port?: number;
  /** Further command line options, for instance `["--requirepass", "secret"]`. */
  readonly args?: readonly string[];
}

const ATTEMPTS = 4;

export async function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  const host = options.host ?? "127.0.0.1";
  for (let attempt = 1; ; attempt++) {
    const port = options.port ?? freePort(host);
    try {
      return await startOn(host, port, options.args ?? []);
    } catch (error) {
      if (options.port !== undefined || attempt === ATTEMPTS) throw error;
    }
  }
}

async function startOn(host: string, port: number, args: readonly string[]): Promise<RedisServer> {
  const directory = makeDirectory("redis");
  const socketPath = join(directory, "redis.sock");
  const command = ["redis-server", "--bind", host, "--port", `${port}`, "--unixsocket", socketPath];
  command.push("--save", "", "--appendonly", "no", "--dir", directory, ...args);
  const server = await startServer(command, directory, [{ host, port }, { socketPath }]);
  return { host, port, socketPath, pid: server.pid, process: server, stop: () => server.stop() };
}
