/** Cells that are drawn: bars and small lines. What they show stands in the table as a number, too. */
import { element, setClass, setText } from "./dom.ts";

const SVG = "http://www.w3.org/2000/svg";
const SPARK_WIDTH = 84;
const SPARK_HEIGHT = 18;

/** A number with a bar. @param share 0 … 1 */
export function meter(text: string, share: number, isHot = false): (cell: HTMLElement) => void {
  return (cell) => {
    let [value, bar] = cell.children as unknown as [HTMLElement?, HTMLElement?];
    if (value === undefined || bar === undefined) {
      value = element("span");
      bar = element("span", "meter", element("i"));
      bar.setAttribute("aria-hidden", "true");
      cell.replaceChildren(value, bar);
    }
    setText(value, text);
    setClass(bar, isHot ? "meter hot" : "meter");
    const inner = bar.firstElementChild as HTMLElement;
    inner.style.width = `${Math.round(Math.min(1, Math.max(0, share)) * 100)}%`;
  };
}

/** A word in a colour. @param kind "good", "warn" or "bad" */
export function state(text: string, kind: string): (cell: HTMLElement) => void {
  return (cell) => {
    const known = cell.firstElementChild;
    const span = known ?? element("span");
    if (known === null) cell.replaceChildren(span);
    setClass(span, `state ${kind}`);
    setText(span, text);
  };
}

/** A button by which the row's order is asked for. @param name in words, for those who do not see the row */
export function orderButton(
  label: string,
  name: string,
  onPress: () => void,
): (cell: HTMLElement) => void {
  return (cell) => {
    let button = cell.firstElementChild as HTMLButtonElement | null;
    if (button === null) {
      button = element("button", "", label);
      button.type = "button";
      cell.replaceChildren(button);
    }
    if (button.getAttribute("aria-label") !== name) button.setAttribute("aria-label", name);
    button.onclick = onPress;
  };
}

/** A line through values, of which null ones are left out. */
export function sparkline(values: readonly (number | null)[]): (cell: HTMLElement) => void {
  return (cell) => {
    let path = cell.querySelector("path");
    if (path === null) {
      const svg = document.createElementNS(SVG, "svg");
      svg.setAttribute("class", "spark");
      svg.setAttribute("viewBox", `0 0 ${SPARK_WIDTH} ${SPARK_HEIGHT}`);
      svg.setAttribute("aria-hidden", "true");
      path = document.createElementNS(SVG, "path");
      svg.append(path);
      cell.replaceChildren(svg);
    }
    path.setAttribute("d", pathThrough(values));
  };
}

function pathThrough(values: readonly (number | null)[]): string {
  const most = Math.max(1, ...values.map((value) => value ?? 0));
  const step = SPARK_WIDTH / Math.max(1, values.length - 1);
  let path = "";
  let isDown = false;
  for (const [index, value] of values.entries()) {
    if (value !== null) {
      const y = SPARK_HEIGHT - 1.5 - (value / most) * (SPARK_HEIGHT - 3);
      path += `${isDown ? "L" : "M"}${(index * step).toFixed(1)} ${y.toFixed(1)}`;
    }
    isDown = value !== null;
  }
  return path;
}
