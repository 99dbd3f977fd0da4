/** The page's head: what this proxy is, what stands out, and the figures of the moment. */
import type { Finding, Overview } from "../api/overview.ts";
import { byId, element, setClass, setText } from "./dom.ts";
import { formatAge, formatCount, formatMicroseconds } from "./format.ts";

const LEVELS = { bad: "Bad", warn: "Watch", note: "Note", good: "Well" } as const;
type Level = keyof typeof LEVELS;

/** What was said last to readers who do not see: without numbers, which change all the time. */
let announced = "";

export function showTitle({ status, findings, atMs }: Overview): void {
  const grave = findings[0]?.level;
  setClass(byId("phase"), `dot ${grave === "bad" || grave === "warn" ? grave : "good"}`);
  if (status === null) {
    setText(byId("facts"), "the supervisor does not answer");
    return;
  }
  const { version, phase, generation, crew, startedAtMs, clients, configFile } = status;
  setText(byId("title"), `proxy ${version}: ${phase}`);
  const facts = [
    `generation ${generation ?? crew}`,
    `up ${formatAge(atMs - startedAtMs)}`,
    `${clients} ${clients === 1 ? "client" : "clients"}`,
    configFile ?? "no file",
  ];
  setText(byId("facts"), facts.join(" · "));
  document.title = `proxy: ${grave === undefined || grave === "note" ? "well" : findings[0]!.text}`;
}

export function showFindings(findings: readonly Finding[]): void {
  const isWell = findings.every(({ level }) => level === "note");
  const shown: { readonly level: Level; readonly text: string }[] = isWell
    ? [
        { level: "good", text: "Nothing stands out: servers answer, no request fails." },
        ...findings,
      ]
    : [...findings];
  const list = byId("findings-list");
  while (list.children.length > shown.length) list.lastElementChild?.remove();
  for (const [index, { level, text }] of shown.entries()) {
    let line = list.children[index];
    if (line === undefined) {
      line = element("li", "", element("span", "level"), element("span"));
      list.append(line);
    }
    setClass(line, level);
    setText(line.children[0]!, LEVELS[level]);
    setText(line.children[1]!, text);
  }
  const said = shown.map(({ text }) => text.replace(/[\d.,]+ ?[a-zµ%]*/g, "")).join("\n");
  if (said === announced) return;
  announced = said;
  setText(byId("announce"), shown.map(({ text }) => text).join(". "));
}

/** @param pool "": all of them */
export function showFigures({ all, pools }: Overview, pool: string): void {
  const row = pools.find(({ pool: name }) => name === pool) ?? all;
  const { rate, errorRate, clients, p50, p90, p95 = null, p98 = null, p99, p999, max } = row;
  const figures: readonly (readonly [string, string, boolean?])[] = [
    ["requests/s", formatCount(rate)],
    ["errors/s", formatCount(errorRate), errorRate > 0],
    ["clients", formatCount(clients)],
    ["p50", formatMicroseconds(p50)],
    ["p90", formatMicroseconds(p90)],
    ["p95", formatMicroseconds(p95)],
    ["p98", formatMicroseconds(p98)],
    ["p99", formatMicroseconds(p99)],
    ["p99.9", formatMicroseconds(p999)],
    ["max", formatMicroseconds(max)],
  ];
  const list = byId("figures");
  for (const [index, [name, value, isBad]] of figures.entries()) {
    let group = list.children[index];
    if (group === undefined) {
      group = element("div", "", element("dt", "", name), element("dd"));
      list.append(group);
    }
    setClass(group, isBad === true ? "bad" : "");
    setText(group.children[1]!, value);
  }
}
