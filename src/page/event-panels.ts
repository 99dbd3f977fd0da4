/** What happened, and the configuration that runs. */
import type { SettingStatus } from "../api/control-socket.ts";
import type { MarkedEvent, Overview } from "../api/overview.ts";
import { state } from "./cells.ts";
import { byId, element, setText } from "./dom.ts";
import { formatTime } from "./format.ts";
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

/** The configuration that runs, and what of it the file does not say. */
export class ConfigPanel {
  readonly #file: HTMLElement = element("p");

  /** @param load another path's text */
  constructor(load: (path: string) => Promise<string>) {
    byId("config").append(
      this.#file,
      onDemand("Against the file", "What runs and is not what the file says", async () =>
        differences(await load("config/diff")),
      ),
      onDemand("All of it, as JSON", "Running configuration as JSON", () => load("config")),
    );
  }

  show({ status }: Overview): void {
    if (status === null) return;
    const { configFile, lastChange } = status;
    const change =
      lastChange === null
        ? "never reloaded"
        : `last ${lastChange.what} ${lastChange.ok ? "done" : `FAILED (${lastChange.problems.join("; ")})`} at ${formatTime(lastChange.atMs)}`;
    setText(this.#file, `${configFile ?? "no file"}: ${change}`);
  }
}

/** What is loaded when it is opened. */
function onDemand(title: string, name: string, load: () => Promise<string>): HTMLElement {
  const text = element("pre");
  text.tabIndex = 0;
  text.setAttribute("role", "region");
  text.setAttribute("aria-label", name);
  const details = element("details", "", element("summary", "", title), text);
  details.addEventListener("toggle", () => {
    if (details.open) void show(text, load);
  });
  return details;
}

/** @param answer see ControlResult of `config_diff` */
function differences(answer: string): string {
  const { lines, settings } = JSON.parse(answer) as {
    readonly lines: readonly string[];
    readonly settings: readonly SettingStatus[];
  };
  if (lines.length === 0 && settings.length === 0) return "What runs is what the file says.";
  const set = settings.map(({ path, text }) => `set: ${path} ${text}`);
  return ["From what the file says to what runs:", ...lines, ...set].join("\n");
}

async function show(target: HTMLElement, load: () => Promise<string>): Promise<void> {
  try {
    setText(target, await load());
  } catch (error) {
    setText(target, `it cannot be shown: ${(error as Error).message}`);
  }
}
