import { expect, test } from "bun:test";
import type { FromWorker } from "../../../src/api/control.ts";
import { defineMetrics, type MetricBlock } from "../../../src/api/metrics.ts";
import type { StatsLayout } from "../../../src/api/stats.ts";
import { directoryOf, findBlock } from "../../../src/metrics/directory.ts";
import {
  addBlock,
  createStatsLayout,
  slotRegion,
  statsByteLength,
} from "../../../src/metrics/layout.ts";
import { readSets } from "../../../src/metrics/read-counters.ts";
import { WorkerMetrics } from "../../../src/worker/metrics.ts";
import { statsConfig } from "../metrics/stats-config.ts";

const SET = defineMetrics("m", ["pool"], {
  done: ["counter", "what was done"],
  open: ["gauge", "what is open"],
  last: ["last_time", "when"],
  took_us: ["histogram", "how long it took"],
});
const labels = { pool: "one" };

type Want = Extract<FromWorker, { readonly type: "want_block" }>;

function rig(start: StatsLayout = createStatsLayout(statsConfig({ one: ["x"] }), 2)) {
  const memory = new Float64Array(statsByteLength(start) / 8);
  const region = slotRegion(memory, start, 1);
  const asked: Want[] = [];
  const metrics = new WorkerMetrics({
    layout: start,
    region,
    send: (message) => asked.push(message as Want),
  });
  let layout = start;
  return {
    metrics,
    region,
    asked,
    /** The supervisor answers all questions. */
    answer: (hasRoom = true): void => {
      for (const { id, schema, labels } of asked.splice(0)) {
        if (hasRoom) layout = addBlock(layout, { schema, labels })!;
        const block = findBlock(directoryOf(layout), { schema, labels });
        metrics.onBlock({ type: "block", id, base: block?.base ?? null });
      }
    },
    shown: () => readSets({ layout, memory })[0]?.values,
    layout: () => layout,
  };
}

test("what is counted before there is a block is in it afterwards", () => {
  const { metrics, asked, answer, shown, region } = rig();
  const counted = metrics.open(SET, labels);
  expect(asked.map(({ schema }) => schema.set)).toEqual(["m", "m.took_us"]);
  counted.add("done", 2);
  counted.add("last", 1000);
  counted.observe("took_us", 7);
  answer();
  expect(counted.block.values).toBe(region);
  counted.add("done", 3);
  counted.observe("took_us", 7);
  expect(shown()).toEqual({
    done: 5,
    open: 0,
    last: 1000,
    took_us: { count: 2, sum: 14, buckets: [[7, 2]] },
  });
  expect(metrics.open(SET, { pool: "one" }).block).toBe(counted.block);
  expect(asked).toEqual([]);
});

test("a block that is in the directory is there at once, without the gauges of a worker that is gone", () => {
  const first = rig();
  first.metrics.open(SET, labels);
  first.answer();
  const { metrics, asked, region } = rig(first.layout());
  region.fill(4);
  const { block } = metrics.open(SET, labels);
  expect(asked).toEqual([]);
  expect(block.values).toBe(region);
  expect([...region.subarray(block.base, block.base + 3)]).toEqual([4, 0, 4]);
});

test("a question is asked again until it is answered", () => {
  const { metrics, asked, answer } = rig();
  metrics.prepare(SET, labels);
  const questions = [...asked];
  asked.splice(0);
  metrics.askAgain();
  expect(asked).toEqual(questions);
  answer();
  metrics.askAgain();
  expect(asked).toEqual([]);
});

test("without room it is counted in the worker, and the question is not asked again", () => {
  const { metrics, asked, answer, shown } = rig();
  const counted = metrics.open(SET, labels);
  const places: MetricBlock[] = [];
  metrics.place(SET, labels, (block) => places.push(block));
  expect(places).toEqual([]);
  answer(false);
  expect(places).toEqual([counted.block]);
  counted.add("done", 1);
  expect(counted.block.values[counted.block.base + SET.at.done]).toBe(1);
  metrics.askAgain();
  expect(asked).toEqual([]);
  expect(shown()).toBeUndefined();
});
