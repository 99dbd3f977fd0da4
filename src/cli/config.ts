/** `proxy config get`, `set`, `unset` and `diff`: values of the running proxy. */
import { type CommandDef, defineCommand } from "citty";
import type {
  ConfigOption,
  ConfigOrder,
  ControlResult,
  SettingStatus,
} from "../api/control-socket.ts";
import { parseDuration } from "../config/duration.ts";
import { CONTROL_ARGS, callProxy, report } from "./control-client.ts";
import { EXIT_USAGE } from "./exit-codes.ts";
import { setText, settingLine } from "./settings-text.ts";
import { formatTable } from "./table.ts";

const CONFIG_ARGS = {
  verb: { type: "positional", required: true, description: "get, set, unset or diff" },
  path: {
    type: "positional",
    required: false,
    description: "The option: log.level, drain_timeout, pools.POOL.timeout, POOL.timeout",
  },
  value: { type: "positional", required: false, description: "As a file has it: 300ms, 10, none" },
  ...CONTROL_ARGS,
  for: {
    type: "string",
    valueHint: "TIME",
    description: "set: the value before comes back after this time: 30s, 10m, 2h",
  },
  save: { type: "boolean", default: false, description: "set: write it into the file, too" },
  reload: {
    type: "boolean",
    default: false,
    description: "set, with --save: then reload, for options that take new workers",
  },
} as const;

/** Workers are asked twice, and a reload may follow. */
const TIMEOUT_MS = 600_000;

interface Flags {
  readonly verb: string;
  readonly path?: string | undefined;
  readonly value?: string | undefined;
  readonly for?: string | undefined;
  readonly save: boolean;
  readonly reload: boolean;
}

const definition = defineCommand({
  meta: {
    name: "config",
    description: "Show and change values of the running proxy; no worker is replaced",
  },
  args: CONFIG_ARGS,
  async run({ args }): Promise<number> {
    const order = orderOf(args);
    if (typeof order === "string") {
      process.stderr.write(`proxy: ${order}\nSee proxy config --help\n`);
      return EXIT_USAGE;
    }
    const answer = await callProxy(args, order, { timeoutMs: TIMEOUT_MS, untilGone: false });
    return report(answer, args.json, textOf);
  },
});

/** The type of its flags matters to itself only. */
export const configCommand: CommandDef = definition as unknown as CommandDef;

/** What is asked of the proxy, or what is wrong with the words. */
function orderOf(flags: Flags): ConfigOrder | string {
  const { verb, path = null, value } = flags;
  if (verb !== "set" && (value !== undefined || flags.save || flags.reload)) {
    return `only "set" takes a value, --save and --reload`;
  }
  switch (verb) {
    case "get":
      return { verb: "config_get", path };
    case "unset":
      return { verb: "config_unset", path };
    case "diff":
      return path === null ? { verb: "config_diff" } : "diff takes no option";
    case "set":
      return setOrder(flags);
    default:
      return `unknown verb "${verb}"; write get, set, unset or diff`;
  }
}

function setOrder({ path, value, save, reload, for: time }: Flags): ConfigOrder | string {
  if (path === undefined || value === undefined) return "set takes an option and a value";
  if (reload && !save) return "--reload needs --save: a reload takes what the file says";
  const forMs = time === undefined ? null : parseDuration(time);
  if (time !== undefined && (forMs === null || forMs === 0)) {
    return `--for: expected a duration such as 30s or 10m, found "${time}"`;
  }
  return { verb: "config_set", path, value, isSaved: save, reloads: reload, forMs };
}

function textOf(result: Extract<ControlResult, { readonly ok: true }>): string {
  const lines = linesOf(result);
  return lines.map((line) => `${line}\n`).join("");
}

function linesOf(result: Extract<ControlResult, { readonly ok: true }>): readonly string[] {
  switch (result.verb) {
    case "config_get":
      return optionLines(result.options);
    case "config_set":
      return [setText(result)];
    case "config_unset":
      return result.paths.length === 0
        ? ["nothing was set"]
        : [`the file's again: ${result.paths.join(", ")}`];
    case "config_diff":
      return diffLines(result.lines, result.settings);
    default:
      return [];
  }
}

function optionLines(options: readonly ConfigOption[]): readonly string[] {
  const [only] = options;
  if (only !== undefined && options.length === 1) return [only.text];
  const rows = options.map(({ path, text, isLive, setting }) => [
    path,
    text,
    setting === null ? (isLive ? "" : "by reload") : settingLine(setting),
  ]);
  return formatTable([["option", "value", "change"], ...rows], []);
}

function diffLines(
  lines: readonly string[],
  settings: readonly SettingStatus[],
): readonly string[] {
  if (lines.length === 0 && settings.length === 0) return ["what runs is what the file says"];
  const set = settings.map(
    (setting) => `set: ${setting.path} ${setting.text} ${settingLine(setting)}`,
  );
  const changes = lines.length === 0 ? [] : ["from the file to what runs:", ...lines];
  return [...changes, ...set];
}
