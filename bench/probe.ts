/** A polite client beside what a run does to a proxy, and the proxy of one worker that it is a client of. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Child, runDirectory, startChild, startTalker } from "./children.ts";
import type { PoliteOrder, PoliteReport } from "./load/polite-probe.ts";
import { nutcrackerConfig } from "./peer-configs.ts";
import { processTree } from "./proc.ts";
import type { Server } from "./servers.ts";
import { freePort, waitForPort } from "./wire.ts";

export const POLITE_PER_SECOND = 200;
const POLITE_CONNECTIONS = 4;
const REPORT_MS = 30_000;

export interface Probe {
  /** Of the time since the last report. */
  report(): Promise<PoliteReport>;
  end(): Promise<void>;
}

export interface Subject {
  readonly name: string;
  readonly port: number;
  /** Null: it is the server. */
  readonly child: Child | null;
  /** The processes that requests go through: those of the proxy, and the server. */
  readonly processes: readonly number[];
}

export const loadProgram = (name: string): string => join(import.meta.dir, "load", name);

/** @param reply to `request`, whole */
export function startProbe({ port, processes }: Subject, request: string, reply: string): Probe {
  const order: PoliteOrder = {
    ...{ port, connections: POLITE_CONNECTIONS, requestsPerSecond: POLITE_PER_SECOND },
    ...{ request, reply, processes },
  };
  const program = loadProgram("polite-probe.ts");
  const talker = startTalker([process.execPath, program, JSON.stringify(order)]);
  return {
    report: async () => {
      talker.say("report");
      return JSON.parse(await talker.line(REPORT_MS, "the polite client")) as PoliteReport;
    },
    end: () => talker.end(),
  };
}

/**
 * @param given "direct" (the server itself), "nutcracker", or an executable of this project as NAME=PATH
 * @param options of the pool, as lines of its configuration; not for nutcracker
 * @param others further servers of the pool; not for "direct"
 */
export async function startSubject(
  given: string,
  server: Server,
  options: readonly string[] = [],
  others: readonly Server[] = [],
): Promise<Subject> {
  if (given === "direct") {
    return { name: given, port: server.port, child: null, processes: [server.child.pid] };
  }
  const [name = "", path = ""] = given.split("=");
  const port = await freePort();
  const config = join(runDirectory(), `${name}.yml`);
  const isPeer = given === name;
  const ports = [server, ...others].map((each) => each.port);
  const lines = isPeer ? [] : options.map((line) => `  ${line}\n`);
  writeFileSync(config, nutcrackerConfig(port, ports, "redis") + lines.join(""));
  const admin = ["-s", String(await freePort()), "-a", "127.0.0.1"];
  const command = isPeer ? [name, "-c", config] : [path, "-c", config, "--workers", "1"];
  const child = startChild(name, [...command, ...admin]);
  if (!(await waitForPort(port, child.hasExited))) {
    throw new Error(`${name} does not accept connections:\n${child.logTail()}`);
  }
  const all = [server, ...others].map((each) => each.child.pid);
  const processes = [...processTree(child.pid).map(({ pid }) => pid), ...all];
  return { name, port, child, processes };
}
