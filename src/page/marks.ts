/** Events as lines on the time axis. */
import type uPlot from "uplot";
import type { Mark, MarkedEvent } from "../api/overview.ts";

export const MARK_SIGNS: Readonly<Record<Mark, string>> = {
  start: "start",
  reload: "reload",
  upgrade: "upgrade",
  death: "died",
  ejection: "server",
  lever: "lever",
  setting: "setting",
};

/** Marks that are closer than this share a label, and of those still closer only the first is drawn. */
const LABEL_GAP_PX = 52;
const LINE_GAP_PX = 5;

/** @param events those that may be shown; asked at each drawing */
export function marksPlugin(
  events: () => readonly MarkedEvent[],
  colour: (name: string) => string,
): uPlot.Plugin {
  return {
    hooks: {
      draw: (chart) => drawMarks(chart, events(), colour),
    },
  };
}

/** What is drawn where several are close to each other: the first of these. */
const WEIGHT: readonly Mark[] = [
  "upgrade",
  "reload",
  "start",
  "death",
  "lever",
  "setting",
  "ejection",
];

function drawMarks(
  chart: uPlot,
  events: readonly MarkedEvent[],
  colour: (name: string) => string,
): void {
  const { ctx, bbox, scales } = chart;
  const { min, max } = scales["x"] ?? {};
  if (min == null || max == null) return;
  const scale = devicePixelRatio;
  ctx.save();
  ctx.strokeStyle = colour("--mark");
  ctx.fillStyle = colour("--mark");
  ctx.lineWidth = scale;
  ctx.setLineDash([3 * scale, 3 * scale]);
  ctx.font = `${11 * scale}px system-ui, sans-serif`;
  const drawn: number[] = [];
  const labelled: number[] = [];
  const shown = events.filter(({ atMs }) => atMs >= min * 1000 && atMs <= max * 1000);
  for (const { atMs, mark } of byWeight(shown)) {
    const x = Math.round(chart.valToPos(atMs / 1000, "x", true));
    if (isNear(drawn, x, LINE_GAP_PX * scale)) continue;
    drawn.push(x);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    if (isNear(labelled, x, LABEL_GAP_PX * scale)) continue;
    labelled.push(x);
    const isAtEnd = x > bbox.left + bbox.width - LABEL_GAP_PX * scale;
    ctx.textAlign = isAtEnd ? "right" : "left";
    ctx.fillText(MARK_SIGNS[mark], x + (isAtEnd ? -3 : 3) * scale, bbox.top + 10 * scale);
  }
  ctx.restore();
}

function byWeight(events: readonly MarkedEvent[]): (MarkedEvent & { readonly mark: Mark })[] {
  return WEIGHT.flatMap((mark) =>
    events.filter((event) => event.mark === mark).map((event) => ({ ...event, mark })),
  );
}

function isNear(places: readonly number[], x: number, gap: number): boolean {
  return places.some((place) => Math.abs(place - x) < gap);
}
