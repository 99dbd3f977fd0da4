/** Real twemproxy (nutcracker 0.5.0) for tests: the oracle of what a drop-in successor has to do. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "./free-port.ts";
import { type Endpoint, makeDirectory, type ServerProcess, startServer } from "./server-process.ts";

export interface Nutcracker {
  readonly pid: number;
  readonly statsPort: number;
  readonly process: ServerProcess;
  stop(): Promise<void>;
}

export function hasNutcracker(): boolean {
  return Bun.which("nutcracker") !== null;
}

/**
 * Starts nutcracker with this configuration and waits until every `listen:` of it accepts connections.
 * @throws with its log when it refuses the configuration or cannot listen.
 */
export async function startNutcracker(
  yaml: string,
  args: readonly string[] = [],
): Promise<Nutcracker> {
  const directory = makeDirectory("nutcracker");
  const file = join(directory, "nutcracker.yml");
  writeFileSync(file, yaml);
  const statsPort = freePort();
  const command = ["nutcracker", "-c", file, "-a", "127.0.0.1", "-s", `${statsPort}`, ...args];
  const server = await startServer(command, directory, listenEndpoints(yaml));
  return { pid: server.pid, statsPort, process: server, stop: () => server.stop() };
}

function listenEndpoints(yaml: string): Endpoint[] {
  return [...yaml.matchAll(/^\s+listen:\s*(\S+)/gm)].map(([, address]) => {
    const text = address!;
    if (text.startsWith("/")) return { socketPath: text };
    const colon = text.lastIndexOf(":");
    return { host: text.substring(0, colon), port: Number(text.substring(colon + 1)) };
  });
}
