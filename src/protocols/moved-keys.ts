/** What protocols whose keys move to other servers have in common: options and counters. */
import { defineMetrics, type MetricSet } from "../api/metrics.ts";
import { type Option, type OptionSettings, option } from "../api/option.ts";
import { durationIn, numberIn } from "../api/option-settings.ts";
import { INTEGER_MAX } from "../base/limits.ts";

export interface MigratePace {
  /** Keys a second that are moved unasked. */
  readonly migrateRate: number;
  /** A server that takes longer to answer is left alone for a moment. */
  readonly migrateLatencyMs: number;
}

export const MIGRATE_OPTIONS: readonly Option[] = [
  option({
    name: "migrate_rate",
    where: "pool",
    isLive: true,
    type: { kind: "integer", min: 1, max: INTEGER_MAX },
    forms: ["native"],
    default: "20000",
    help: "With `migrate`: so many keys a second are moved at the most, apart from those that clients ask for.",
    instead: "a native file (`pools:`)",
  }),
  option({
    name: "migrate_latency",
    where: "pool",
    isLive: true,
    type: { kind: "duration", min: 1, max: INTEGER_MAX, none: false },
    forms: ["native"],
    default: "20ms",
    help: "With `migrate`: when a server takes longer than this to answer, no keys are moved from or to it for a moment, but those that clients ask for.",
    instead: "a native file (`pools:`)",
  }),
];

export function readMigratePace(settings: OptionSettings): MigratePace {
  return {
    migrateRate: numberIn(settings, "migrate_rate"),
    migrateLatencyMs: durationIn(settings, "migrate_latency") ?? 0,
  };
}

const MIGRATION_ROWS = {
  key_requests: ["counter", "keys that were looked for on the server that they leave"],
  keys_pulled: ["counter", "keys that were moved because they were asked for"],
  bytes_pulled: ["counter", "bytes of their values, as they travel"],
} as const;

export const MIGRATION_METRICS: MetricSet<typeof MIGRATION_ROWS> = defineMetrics(
  "migration",
  ["pool"],
  MIGRATION_ROWS,
);
