/** What a mirror costs the main path when it is well, dead, slow, or takes nothing: CPU of the worker for each request, and how long clients wait, in interleaved rounds. */
import { freePort } from "../../test/support/free-port.ts";
import { startProxy } from "../../test/support/proxy-process.ts";
import { startRedis } from "../../test/support/redis-server.ts";
import { startSlowRelay } from "../../test/support/slow-relay.ts";
import { figure, table } from "../markdown.ts";
import { cpuBetween, cpuSnapshot, processTree } from "../proc.ts";
import { Beat } from "./beat.ts";

const SLOW_MS = 300;
const ROUND_MS = 2_500;
const PER_SECOND = 3_000;

/** @returns Markdown */
export async function measureMirror(rounds: number): Promise<string> {
  const main = await startRedis();
  const well = await startRedis();
  const full = await startRedis();
  const relay = startSlowRelay({ host: well.host, port: well.port }, SLOW_MS);
  const mirrors: Readonly<Record<string, number | null>> = {
    "no route": null,
    ...{ well: well.port, dead: 1, slow: relay.port, "takes nothing": full.port },
  };
  const names = Object.keys(mirrors);
  const ports = names.map(() => freePort());
  const server = (port: number, name: string): string => `servers: ["127.0.0.1:${port}:1 ${name}"]`;
  const config = [
    "pools:",
    `  main: { listen: "127.0.0.1:${ports[0]}", ${server(main.port, "main")} }`,
    ...names.flatMap((name, i) => {
      const port = mirrors[name] ?? null;
      if (port === null) return [];
      return [
        `  copy${i}: { listen: "127.0.0.1:${freePort()}", timeout: 5s, ${server(port, `copy${i}`)} }`,
        `  mirrored${i}: { listen: "127.0.0.1:${ports[i]}", route: { main: main, mirror: copy${i} } }`,
      ];
    }),
    "",
  ].join("\n");
  const proxy = await startProxy({ config, args: ["--workers", "1"] });
  process.kill(full.pid, "SIGSTOP");
  const worker = processTree(proxy.workerPids()[0]!);
  const seen = names.map((): { cpu: number[]; p50: number[]; p99: number[]; bad: number } => ({
    ...{ cpu: [], p50: [], p99: [], bad: 0 },
  }));
  for (let round = -1; round < rounds; round++) {
    for (const [i] of names.entries()) {
      const beat = await Beat.start({ port: ports[i]!, connections: 16, perSecond: PER_SECOND });
      await Bun.sleep(300);
      beat.take();
      const before = cpuSnapshot(worker);
      await Bun.sleep(ROUND_MS);
      const used = cpuBetween(before, cpuSnapshot(worker));
      const figures = beat.take();
      await beat.stop();
      // The first round warms up.
      if (round < 0) continue;
      const { cpu, p50, p99 } = seen[i]!;
      cpu.push(used / 1000 / figures.answered);
      p50.push(figures.p50Ms);
      p99.push(figures.p99Ms);
      seen[i]!.bad += figures.wrong.length + figures.errors.size;
    }
  }
  process.kill(full.pid, "SIGCONT");
  relay.stop();
  await proxy.stop();
  for (const each of [main, well, full]) await each.stop();
  const median = (values: readonly number[]): number =>
    values.toSorted((a, b) => a - b)[values.length >> 1]!;
  return table(
    [
      "mirror",
      "CPU µs per request, median",
      "least",
      "p50 ms, median",
      "p99 ms, median",
      "least p99",
      "faults",
    ],
    names.map((name, i) => {
      const { cpu, p50, p99, bad } = seen[i]!;
      return [
        ...[name, figure(median(cpu)), figure(Math.min(...cpu)), figure(median(p50))],
        ...[figure(median(p99)), figure(Math.min(...p99)), `${bad}`],
      ];
    }),
  );
}
