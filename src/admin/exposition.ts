/** Metrics as text for collectors: Prometheus's text format 0.0.4, and OpenMetrics 1.0. */

export type MetricType = "counter" | "gauge" | "histogram";
export type SampleLabels = Readonly<Record<string, string>>;

/** One histogram, in the unit of its family. */
export interface HistogramSample {
  readonly labels: SampleLabels;
  /** How many were at most so large, ascending; what is larger is in `count` alone. */
  readonly upTo: readonly (readonly [bound: number, count: number])[];
  readonly count: number;
  readonly sum: number;
}

export interface Sample {
  readonly labels: SampleLabels;
  readonly value: number;
}

/** A metric with all of its labels. */
export type MetricFamily = {
  /** Without the `_total` of a counter. */
  readonly name: string;
  readonly help: string;
} & (
  | { readonly type: "counter" | "gauge"; readonly samples: readonly Sample[] }
  | { readonly type: "histogram"; readonly samples: readonly HistogramSample[] }
);

export const PROMETHEUS_TYPE = "text/plain; version=0.0.4; charset=utf-8";
export const OPENMETRICS_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/** Families without samples are left out. */
export function renderMetrics(families: readonly MetricFamily[], isOpenMetrics: boolean): string {
  const lines: string[] = [];
  for (const family of families) {
    if (family.samples.length === 0) continue;
    const { name, type, help } = family;
    const total = type === "counter" ? `${name}_total` : name;
    const shown = isOpenMetrics ? name : total;
    lines.push(`# HELP ${shown} ${escapeHelp(help, isOpenMetrics)}`, `# TYPE ${shown} ${type}`);
    if (family.type === "histogram") {
      for (const sample of family.samples) pushHistogram(lines, name, sample);
    } else {
      for (const { labels, value } of family.samples) {
        lines.push(`${total}${labelText(labels)} ${numberText(value)}`);
      }
    }
  }
  if (isOpenMetrics) lines.push("# EOF");
  return lines.length === 0 ? "" : `${lines.join("\n")}\n`;
}

function pushHistogram(lines: string[], name: string, sample: HistogramSample): void {
  const { labels, upTo, count, sum } = sample;
  // Written once for all buckets: they are most of what a proxy with many servers tells.
  const pairs = labelPairs(labels);
  const head = `${name}_bucket{${pairs}${pairs === "" ? "" : ","}le="`;
  for (const [bound, below] of upTo) lines.push(`${head}${floatText(bound)}"} ${below}`);
  const shown = pairs === "" ? "" : `{${pairs}}`;
  lines.push(
    `${head}+Inf"} ${numberText(count)}`,
    `${name}_sum${shown} ${numberText(sum)}`,
    `${name}_count${shown} ${numberText(count)}`,
  );
}

function labelText(labels: SampleLabels): string {
  const pairs = labelPairs(labels);
  return pairs === "" ? "" : `{${pairs}}`;
}

function labelPairs(labels: SampleLabels): string {
  let pairs = "";
  for (const name in labels) {
    pairs += `${pairs === "" ? "" : ","}${name}="${escapeLabel(labels[name]!)}"`;
  }
  return pairs;
}

function escapeLabel(value: string): string {
  if (!/[\\"\n]/.test(value)) return value;
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

function escapeHelp(help: string, isOpenMetrics: boolean): string {
  const escaped = help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
  return isOpenMetrics ? escaped.replaceAll('"', '\\"') : escaped;
}

function numberText(value: number): string {
  return Number.isFinite(value) ? `${value}` : "NaN";
}

/** A bound as a float: OpenMetrics wants "1.0". */
function floatText(bound: number): string {
  return Number.isInteger(bound) && bound < 1e21 ? `${bound}.0` : `${bound}`;
}
