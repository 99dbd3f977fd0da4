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

function drawMarks(
  chart: uPlot,
  events: readonly MarkedEvent[],
  colour: (name: string) => string,
): void {
  const { ctx, bbox, scales } = chart;
  const { min = 0, max = 0 } = scales["x"] ?? {};
  const scale = devicePixelRatio;
  ctx.save();
  ctx.strokeStyle = colour("--mark");
  ctx.fillStyle = colour("--mark");
  ctx.lineWidth = scale;
  ctx.setLineDash([3 * scale, 3 * scale]);
  ctx.font = `${11 * scale}px system-ui, sans-serif`;
  let drawn = Number.NEGATIVE_INFINITY;
  let labelled = Number.NEGATIVE_INFINITY;
  for (const { atMs, mark } of events) {
    const at = atMs / 1000;
    if (mark === null || min === null || max === null || at < min || at > max) continue;
    const x = Math.round(chart.valToPos(at, "x", true));
    if (x - drawn < LINE_GAP_PX * scale) continue;
    drawn = x;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    if (x - labelled < LABEL_GAP_PX * scale) continue;
    labelled = x;
    const isNearEnd = x > bbox.left + bbox.width - LABEL_GAP_PX * scale;
    ctx.textAlign = isNearEnd ? "right" : "left";
    ctx.fillText(MARK_SIGNS[mark], x + (isNearEnd ? -3 : 3) * scale, bbox.top + 10 * scale);
  }
  ctx.restore();
}
