/** What happened, what was set, and the configuration that runs. */
import type { LeverStatus, SettingStatus } from "../api/control-socket.ts";
import type { MarkedEvent, Overview } from "../api/overview.ts";
import { state } from "./cells.ts";
import { byId, element, setText } from "./dom.ts";
import { formatAge, formatTime } from "./format.ts";
import { Table } from "./table.ts";

const LEVEL_KINDS: Readonly<Record<string, string>> = { error: "bad", warn: "warn" };

export class EventPanel {
  readonly #table: Table<MarkedEvent> = new Table<MarkedEvent>(byId("events"), {
    columns: [
      { label: "at", show: ({ atMs }) => formatTime(atMs) },
      { label: "level", show: ({ level }) => state(level, LEVEL_KINDS[level] ?? "") },
      { label: "process", show: ({ process }) => process, isExtra: true },
      { ...{ label: "what", kind: "text", width: 75 }, show: ({ text }) => text },
    ],
    keyOf: ({ number }) => `${number}`,
    empty: "Nothing happened lately.",
  });

  show({ events }: Overview): void {
    this.#table.show(events.toReversed(), events.length === 0 ? "" : "the latest first");
  }
}

interface Held {
  readonly what: string;
  readonly value: string;
  readonly untilMs: number | null;
  readonly uid: number;
  readonly atMs: number;
}

export class ConfigPanel {
  readonly #table: Table<Held>;
  readonly #file: HTMLElement = element("p");
  #nowMs = 0;

  /** @param load the configuration that runs, as text */
  constructor(load: () => Promise<string>) {
    const panel = byId("config");
    panel.append(this.#file);
    this.#table = new Table<Held>(panel, {
      columns: [
        { label: "what holds and is not the file's", show: ({ what }) => what },
        { ...{ label: "value", kind: "text", width: 40 }, show: ({ value }) => value },
        { label: "until", show: ({ untilMs }) => this.#untilOf(untilMs) },
        {
          label: "by",
          show: ({ uid }) => (uid === -1 ? "a signal" : `user ${uid}`),
          isExtra: true,
        },
        { label: "since", show: ({ atMs }) => formatTime(atMs), isExtra: true },
      ],
      keyOf: ({ what, value, atMs }) => `${what}\n${value}\n${atMs}`,
      empty: "All running values are the file's, as it was read last; no lever is pulled.",
    });
    const text = element("pre");
    text.tabIndex = 0;
    text.setAttribute("aria-label", "Running configuration as JSON");
    const details = element("details", "", element("summary", "", "All of it, as JSON"), text);
    details.addEventListener("toggle", () => {
      if (details.open) void show(text, load);
    });
    panel.append(details);
  }

  show({ status, atMs }: Overview): void {
    if (status === null) return;
    this.#nowMs = atMs;
    const { settings = [], levers = [], configFile, lastChange } = status;
    const change =
      lastChange === null
        ? "never reloaded"
        : `last ${lastChange.what} ${lastChange.ok ? "done" : `FAILED (${lastChange.problems.join("; ")})`} at ${formatTime(lastChange.atMs)}`;
    setText(this.#file, `${configFile ?? "no file"}: ${change}`);
    this.#table.show([...levers.map(ofLever), ...settings.map(ofSetting)]);
  }

  #untilOf(untilMs: number | null): string {
    return untilMs === null ? "the next reload" : `in ${formatAge(untilMs - this.#nowMs)}`;
  }
}

function ofLever({ kind, pool, text, untilMs, uid, atMs }: LeverStatus): Held {
  return { what: `lever ${kind} ${pool ?? "all pools"}`, value: text, untilMs, uid, atMs };
}

function ofSetting({ path, text, untilMs, uid, atMs }: SettingStatus): Held {
  return { what: path, value: text, untilMs, uid, atMs };
}

async function show(target: HTMLElement, load: () => Promise<string>): Promise<void> {
  try {
    setText(target, await load());
  } catch (error) {
    setText(target, `it cannot be shown: ${(error as Error).message}`);
  }
}
