/** One chart over time, with a legend that says the values of the moment. */
import uPlot from "uplot";
import type { MarkedEvent } from "../api/overview.ts";
import { element, setText } from "./dom.ts";
import { marksPlugin } from "./marks.ts";

export interface Line {
  readonly label: string;
  /** A variable of page.css. */
  readonly colour: string;
  readonly scale?: string;
  readonly width?: number;
  readonly dash?: readonly number[];
  readonly isFilled?: boolean;
}

export interface ChartOptions {
  readonly plot: HTMLElement;
  readonly legend: HTMLElement;
  readonly lines: readonly Line[];
  readonly format: (value: number | null) => string;
  readonly isLogarithmic: boolean;
  readonly events: () => readonly MarkedEvent[];
}

const AXIS_WIDTH = 58;
const AXIS_HEIGHT = 28;
/** So that times do not touch the lowest label of the other axis. */
const AXIS_GAP = 10;
const ERRORS = "errors";
/** The axis of errors is so many times as long as the most of them needs. */
const ERROR_ROOM = 3;
/** All charts of the page show the same moment. */
const SYNC = "proxy";

export class TimeChart {
  readonly #options: ChartOptions;
  readonly #values: readonly HTMLElement[];
  #chart: uPlot | null = null;
  #data: uPlot.AlignedData = [[]];
  #from = 0;
  #to = 0;

  constructor(options: ChartOptions) {
    this.#options = options;
    this.#values = options.lines.map(() => element("b"));
    for (const [index, { label, colour }] of options.lines.entries()) {
      const sign = element("i");
      sign.style.color = `var(${colour})`;
      options.legend.append(element("span", "", sign, `${label} `, this.#values[index]!));
    }
    new ResizeObserver(() => this.#resize()).observe(options.plot);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.redraw());
  }

  /** @param from and `to` seconds since 1970: what the axis shows */
  show(data: readonly (number | null)[][], from: number, to: number): void {
    this.#data = data as unknown as uPlot.AlignedData;
    this.#from = from;
    this.#to = to;
    if (this.#chart === null) this.#create();
    else this.#chart.setData(this.#data);
    this.#say(null);
  }

  /** Colours have changed. */
  redraw(): void {
    this.#chart?.destroy();
    this.#chart = null;
    if (this.#data[0].length > 0) this.#create();
  }

  #create(): void {
    const { plot, lines, isLogarithmic } = this.#options;
    const axis = {
      stroke: () => colourOf("--dim"),
      grid: { stroke: () => colourOf("--grid"), width: 1 },
      ticks: { show: false },
      font: "11px system-ui, sans-serif",
    };
    const { format, events } = this.#options;
    const hasErrors = lines.some(({ scale }) => scale === ERRORS);
    this.#chart = new uPlot(
      {
        width: Math.max(120, plot.clientWidth),
        height: Math.max(80, plot.clientHeight),
        legend: { show: false },
        padding: [6, 6, 0, 0],
        cursor: { sync: { key: SYNC, setSeries: false }, y: false, points: { size: 5 } },
        scales: {
          x: { time: true, range: () => [this.#from, this.#to] },
          y: isLogarithmic
            ? { distr: 3, log: 10, range: logarithmicRange }
            : { range: (_, __, max) => [0, Math.max(1, (max ?? 0) * 1.1)] },
          // Few errors beside many requests are still to be seen: their line has the lower third for itself.
          [ERRORS]: { range: (_, __, max) => [0, Math.max(1, max ?? 0) * ERROR_ROOM] },
        },
        axes: [
          { ...axis, size: AXIS_HEIGHT, gap: AXIS_GAP, space: 64, values: TIMES },
          {
            ...axis,
            ...(isLogarithmic ? { splits: powersOfTen } : {}),
            size: AXIS_WIDTH,
            space: 28,
            values: (_, splits) =>
              splits.map((value) => (value === null ? "" : value === 0 ? "0" : format(value))),
          },
          ...(hasErrors ? [errorAxis(format)] : []),
        ],
        series: [{}, ...lines.map(seriesOf)],
        plugins: [marksPlugin(events, colourOf)],
        hooks: { setCursor: [(chart) => this.#say(chart.cursor.idx ?? null)] },
      },
      this.#data,
      plot,
    );
  }

  /** @param index of the moment that the pointer is at; null: the latest */
  #say(index: number | null): void {
    for (const [line, node] of this.#values.entries()) {
      const values = this.#data[line + 1] ?? [];
      const value = values[index ?? values.length - 1] ?? null;
      setText(node, this.#options.format(value));
    }
  }

  #resize(): void {
    const { plot } = this.#options;
    if (plot.clientWidth === 0) return;
    this.#chart?.setSize({ width: plot.clientWidth, height: Math.max(80, plot.clientHeight) });
  }
}

const TIMES = (_: uPlot, splits: number[]): string[] =>
  splits.map((second) => new Date(second * 1000).toLocaleTimeString("en-GB"));

/** On the right, and only as far as there are any. */
function errorAxis(format: (value: number | null) => string): uPlot.Axis {
  return {
    ...{ scale: ERRORS, side: 1, size: 34, space: 24, font: "11px system-ui, sans-serif" },
    ...{ grid: { show: false }, ticks: { show: false } },
    stroke: () => colourOf("--errors"),
    values: (chart, splits) => {
      const room = chart.scales[ERRORS]?.max ?? 0;
      return splits.map((value) =>
        value > (room / ERROR_ROOM) * 1.2 || value === 0 ? "" : format(value),
      );
    },
  };
}

function powersOfTen(_: uPlot, __: number, min: number, max: number): number[] {
  const first = Math.round(Math.log10(min));
  const count = Math.round(Math.log10(max)) - first + 1;
  return Array.from({ length: count }, (_, index) => 10 ** (first + index));
}

function seriesOf({ label, colour, scale, width, dash, isFilled }: Line): uPlot.Series {
  return {
    label,
    scale: scale ?? "y",
    stroke: () => colourOf(colour),
    width: width ?? 1.5,
    points: { show: false },
    ...(dash === undefined ? {} : { dash: [...dash] }),
    ...(isFilled === true ? { fill: () => colourOf("--fill") } : {}),
  };
}

/** Whole powers of ten around what there is, and never less than one. */
function logarithmicRange(_: uPlot, min: number | null, max: number | null): [number, number] {
  const low = 10 ** Math.floor(Math.log10(Math.max(1, min ?? 100)));
  const high = 10 ** Math.ceil(Math.log10(Math.max(1, max ?? 10_000)));
  return [low, Math.max(high, low * 10)];
}

export function colourOf(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
