import { expect, test } from "bun:test";
import { type MetricFamily, renderMetrics } from "../../../src/admin/exposition.ts";
import { readExposition } from "../../support/read-exposition.ts";

const FAMILIES: readonly MetricFamily[] = [
  {
    ...{ name: "a_requests", help: 'With "quotes" and \\ a backslash.', type: "counter" },
    samples: [{ labels: { pool: 'one "two" \\ \n three' }, value: 3 }],
  },
  { name: "a_clients", help: "Clients.", type: "gauge", samples: [{ labels: {}, value: -1.5 }] },
  { name: "a_nothing", help: "Nothing.", type: "gauge", samples: [] },
  {
    ...{ name: "a_duration_seconds", help: "Durations.", type: "histogram" },
    samples: [
      {
        labels: { pool: "x" },
        upTo: [
          [0.5, 2],
          [1, 5],
        ],
        ...{ count: 7, sum: 12.25 },
      },
    ],
  },
];

test("Prometheus's text", () => {
  const text = renderMetrics(FAMILIES, false);
  expect(text).toBe(
    [
      '# HELP a_requests_total With "quotes" and \\\\ a backslash.',
      "# TYPE a_requests_total counter",
      'a_requests_total{pool="one \\"two\\" \\\\ \\n three"} 3',
      "# HELP a_clients Clients.",
      "# TYPE a_clients gauge",
      "a_clients -1.5",
      "# HELP a_duration_seconds Durations.",
      "# TYPE a_duration_seconds histogram",
      'a_duration_seconds_bucket{pool="x",le="0.5"} 2',
      'a_duration_seconds_bucket{pool="x",le="1.0"} 5',
      'a_duration_seconds_bucket{pool="x",le="+Inf"} 7',
      'a_duration_seconds_sum{pool="x"} 12.25',
      'a_duration_seconds_count{pool="x"} 7',
      "",
    ].join("\n"),
  );
  expect([...readExposition(text, false).keys()]).toHaveLength(3);
});

test("OpenMetrics names counters without _total, and has an end", () => {
  const text = renderMetrics(FAMILIES, true);
  expect(text).toContain("# TYPE a_requests counter\na_requests_total{");
  expect(text).toEndWith("\n# EOF\n");
  expect([...readExposition(text, true).keys()]).toHaveLength(3);
});
