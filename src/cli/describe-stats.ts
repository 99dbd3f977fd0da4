/** nutcracker's `-D`: what the numbers on the statistics port mean. */
import type { MetricRow } from "../api/metrics.ts";
import { POOL_METRICS, SERVER_METRICS } from "../api/stats.ts";
import { NUTCRACKER_POOL_KEYS, NUTCRACKER_SERVER_KEYS } from "../metrics/nutcracker-stats.ts";
import { PROTOCOLS } from "../protocols/registry.ts";

const NOTE = "* not on the statistics port, whose readers would mistake it; in proxy status --json";

export function describeStats(): string {
  const pool = POOL_METRICS.schema.rows.map((row) => line(row, NUTCRACKER_POOL_KEYS));
  const server = SERVER_METRICS.schema.rows.map((row) => line(row, NUTCRACKER_SERVER_KEYS));
  const protocols = PROTOCOLS.flatMap(({ metrics = [] }) => metrics).flatMap((set) => {
    const schemas = [set.schema, ...Object.values(set.histograms)];
    const rows = schemas.flatMap((schema) => schema.rows);
    return ["", `${set.name} stats:`, ...rows.map((row) => line(row, []))];
  });
  const lines = ["pool stats:", ...pool, "", "server stats:", ...server, ...protocols];
  return [...lines, "", NOTE, ""].join("\n");
}

function line({ name, help }: MetricRow, shown: readonly string[]): string {
  const mark = shown.includes(name) ? name : `${name} *`;
  return `  ${mark.padEnd(26)}${help}`;
}
