/** The page's two charts, and the same as a table. */
import type { MarkedEvent, PointField } from "../api/overview.ts";
import { TimeChart } from "./chart.ts";
import { byId, setText } from "./dom.ts";
import { formatCount, formatMicroseconds, formatTime } from "./format.ts";
import { columnsOf, numbersOf, type Points } from "./points.ts";
import { Table } from "./table.ts";

const RATE_FIELDS: readonly PointField[] = ["rate", "errors"];
const TIME_FIELDS: readonly PointField[] = ["p50", "p90", "p99", "max"];
/** Rows of the table: each says the last second of its share of the window. */
const ROWS = 12;
const SPAN_MIN_S = 60;
const MARKS_TOLD = 4;
/** A chart's description changes so often: a reader may just be listening to it. */
const DESCRIBED_MS = 10_000;

interface Line {
  readonly atMs: number;
  readonly numbers: readonly number[];
}

export class Charts {
  readonly #rate: TimeChart;
  readonly #times: TimeChart;
  readonly #table: Table<Line>;
  #events: readonly MarkedEvent[] = [];
  #describedMs = 0;

  constructor() {
    const events = (): readonly MarkedEvent[] => this.#events;
    this.#rate = new TimeChart({
      ...{ plot: byId("rate-chart"), legend: byId("rate-legend"), events },
      lines: [
        { label: "requests", colour: "--p50", isFilled: true },
        { label: "errors", colour: "--errors", scale: "errors", width: 2 },
      ],
      format: (value) => (value === null ? "–" : formatCount(value)),
      isLogarithmic: false,
    });
    this.#times = new TimeChart({
      ...{ plot: byId("latency-chart"), legend: byId("latency-legend"), events },
      lines: [
        { label: "p50", colour: "--p50" },
        { label: "p90", colour: "--p90" },
        { label: "p99", colour: "--p99", width: 2 },
        { label: "max", colour: "--max", width: 1, dash: [4, 3] },
      ],
      format: formatMicroseconds,
      isLogarithmic: true,
    });
    this.#table = new Table<Line>(byId("points"), {
      columns: [
        { label: "at", show: ({ atMs }) => formatTime(atMs) },
        ...["requests/s", "errors/s"].map((label, index) => ({
          ...{ label, kind: "number" as const },
          show: ({ numbers }: Line) => formatCount(numbers[index] ?? 0),
        })),
        ...["p50", "p90", "p99", "p99.9", "max"].map((label, index) => ({
          ...{ label, kind: "number" as const },
          show: ({ numbers }: Line) => formatMicroseconds(numbers[index + 2] ?? 0),
        })),
      ],
      keyOf: ({ atMs }) => `${atMs}`,
      empty: "No second has passed yet.",
    });
  }

  /** @param pool "": all of them */
  show(points: Points, pool: string, seconds: number, events: readonly MarkedEvent[]): void {
    this.#events = events;
    const shown = points.within(seconds);
    const to = points.lastMs / 1000;
    // What was before the first point is not known: no room is left for it, beyond a minute.
    const known = to - (shown[0]?.atMs ?? 0) / 1000;
    const from = to - Math.min(seconds, Math.max(SPAN_MIN_S, known));
    this.#rate.show(columnsOf(shown, pool, RATE_FIELDS), from, to);
    this.#times.show(columnsOf(shown, pool, TIME_FIELDS), from, to);
    const step = Math.max(1, Math.floor(shown.length / ROWS));
    const lines = shown
      .filter((_, index) => (shown.length - 1 - index) % step === 0)
      .flatMap((point): Line[] => {
        const numbers = numbersOf(point, pool);
        return numbers === null ? [] : [{ atMs: point.atMs, numbers }];
      });
    this.#table.show(lines.toReversed());
    this.#showMarks(points.lastMs - seconds * 1000);
    if (points.lastMs - this.#describedMs < DESCRIBED_MS) return;
    this.#describedMs = points.lastMs;
    describe("rate-chart", "Requests a second", seconds, lines, 0, formatCount);
    describe("latency-chart", "99th percentile", seconds, lines, 4, formatMicroseconds);
  }

  #showMarks(fromMs: number): void {
    const marks = this.#events.filter(({ mark, atMs }) => mark !== null && atMs > fromMs);
    setText(
      byId("marks-key"),
      marks.length === 0
        ? ""
        : marks
            .filter((_, index) => index >= marks.length - MARKS_TOLD)
            .map(
              ({ atMs, process, text }) => `${formatTime(atMs)} ${process}: ${beginningOf(text)}`,
            )
            .toReversed()
            .join("   ·   "),
    );
  }
}

/** "server is in trouble (cache-3)": what happened, without all that belongs to it. */
function beginningOf(text: string): string {
  const words = text.replace(/ \w+=.*/, "");
  const name = / (?:server|child|option)=(\S+)/.exec(text)?.[1];
  return name === undefined ? words : `${words} (${name})`;
}

/** The chart in words, for those who do not see it. */
function describe(
  id: string,
  what: string,
  seconds: number,
  lines: readonly Line[],
  index: number,
  format: (value: number) => string,
): void {
  const values = lines.map(({ numbers }) => numbers[index] ?? 0);
  const now = values.at(-1) ?? 0;
  const text = `${what}, last ${seconds} seconds: now ${format(now)}, lowest ${format(Math.min(...values))}, highest ${format(Math.max(...values))}`;
  byId(id).removeAttribute("aria-labelledby");
  byId(id).setAttribute("aria-label", text);
}
