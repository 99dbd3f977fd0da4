/** A result as Markdown. */
import { badDayPart } from "./report-bad-day.ts";
import { latencyPart, lostLatencyRows } from "./report-latency.ts";
import { memoryPart } from "./report-memory.ts";
import { lostThroughputRows, throughputPart } from "./report-throughput.ts";
import type { Result } from "./result.ts";

/** Above this load average at the start, the report says that the machine was busy. */
const BUSY_LOAD = 0.7;

export function toMarkdown(result: Result): string {
  const parts = [heading(result), lostRows(result)];
  if (result.throughput.length > 0) parts.push(throughputPart(result));
  if (result.latency.length > 0) parts.push(latencyPart(result));
  if (result.badDay.length > 0) parts.push(badDayPart(result.badDay));
  if (result.memory.length > 0) parts.push(memoryPart(result));
  if (result.failures.length > 0) {
    parts.push(`### Failed\n\n${result.failures.map((text) => `- ${text}`).join("\n")}`);
  }
  return `${parts.join("\n\n")}\n`;
}

function heading({ machine, settings, proxies, startedAt }: Result): string {
  const { cores, cpu, memoryMib, kernel, bun, redis, memcached, loadAtStart } = machine;
  const lines = [
    "## Figures",
    "",
    `Measured ${startedAt.substring(0, 16)} UTC, commit ${machine.commit}.`,
    "",
    `- Machine: ${cores} cores (${cpu}), ${memoryMib} MiB, Linux ${kernel}; load average at the start ${loadAtStart.toFixed(1)}`,
    `- Bun ${bun}, Redis ${redis}, memcached ${memcached}`,
    ...proxies.map(({ name, version }) => `- ${name}: ${version}`),
    `- ${settings.rounds} interleaved rounds of about ${settings.secondsPerRound} s. Figures are medians; ratios are taken round`,
    "  by round: median (least–most).",
  ];
  if (loadAtStart > BUSY_LOAD) {
    lines.push(
      "- **Other programs were busy on this machine**: latencies say nothing, and ratios of CPU time little.",
    );
  }
  return lines.join("\n");
}

function lostRows(result: Result): string {
  const lines = [...lostThroughputRows(result), ...lostLatencyRows(result)];
  const text = lines.length === 0 ? "None in this run." : lines.join("\n");
  return `### Where a peer is better\n\n${text}`;
}
