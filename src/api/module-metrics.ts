import { defineMetrics, type MetricSet } from "./metrics.ts";

interface ModuleRows {
  readonly [name: string]: readonly ["counter", string];
  readonly total: readonly ["counter", string];
}

const HELP = "what a module counts, by the name that it gives";

/** What modules count. The text of the row is that of all together: the directory has for each counter the module's own. */
export const MODULE_METRICS: MetricSet<ModuleRows> = moduleCounter(HELP);

/** The set for one counter, with the module's own text. */
export function moduleCounter(help: string): MetricSet<ModuleRows> {
  const rows: ModuleRows = { total: ["counter", help] };
  return defineMetrics("module", ["pool", "module", "counter"], rows);
}
