/** Checks values that shall be set in a running proxy as those of its file are, and writes one into the file. See api/settings.ts. */
import type { Config } from "../api/config.ts";
import {
  type CheckedSetting,
  SETTINGS_FD,
  SETTINGS_MEMORY,
  type SettingsAnswer,
  type SettingsQuestion,
  type WrittenSetting,
} from "../api/settings.ts";
import { writeValue } from "../config/document-edit.ts";
import { fieldOf, partOf, setField } from "../config/live.ts";
import { loadConfig } from "../config/load.ts";
import { fieldText, findOption, type NamedOption } from "../config/option-path.ts";
import type { ProtocolOptions } from "../config/options.ts";
import { modulePaths, type Outside, protocolsOf } from "../config/outside.ts";
import type { Override } from "../config/overrides.ts";
import { formatProblem } from "../config/problem.ts";
import { parseText } from "../config/values.ts";
import { loadModules } from "../modules/load.ts";
import { readMemoryFile } from "../os/memory-file.ts";
import { replaceText } from "../os/replace-file.ts";
import { PROTOCOLS } from "../protocols/registry.ts";
import { readConfigText, reasonOf } from "./config-file.ts";
import { applyFlags, type RunFlags } from "./run-flags.ts";

const MARK = "\uFEFF";

/** @param file the configuration file of the running proxy @param flags of its command line */
export async function answerSettings(file: string, flags: RunFlags): Promise<SettingsAnswer> {
  const question = readMemoryFile(SETTINGS_MEMORY, SETTINGS_FD);
  if (question === null) return { problems: ["no settings were given"] };
  let source: string;
  try {
    source = await readConfigText(file);
  } catch (error) {
    return { problems: [`${file}: cannot read the configuration file: ${reasonOf(error)}`] };
  }
  const text = source.startsWith(MARK) ? source.substring(MARK.length) : source;
  const outside = await loadModules(file, modulePaths(text));
  const { settings, saved } = JSON.parse(question) as SettingsQuestion;
  const run = new SettingsRun(file, text, outside);
  const answer = run.check(settings, flags);
  if (saved === null || "problems" in answer) return answer;
  const problem = run.save(settings.find(({ path }) => path === saved)!, source);
  return problem === null ? answer : { problems: [problem] };
}

class SettingsRun {
  readonly #file: string;
  readonly #text: string;
  readonly #outside: Outside;

  constructor(file: string, text: string, outside: Outside) {
    this.#file = file;
    this.#text = text;
    this.#outside = outside;
  }

  check(settings: readonly WrittenSetting[], flags: RunFlags): SettingsAnswer {
    const base = this.#load(this.#text, []);
    if ("problems" in base) return base;
    const applied = applyFlags(base.config, flags);
    if ("problems" in applied) return applied;
    const found = settings.map(({ path }) => findOption(path, base.config, this.#protocols));
    const unknown = found.filter((one) => typeof one === "string");
    if (unknown.length > 0) return { problems: unknown };
    const named = found as NamedOption[];
    const changed = this.#load(this.#text, overridesOf(named, settings));
    if ("problems" in changed) return changed;
    const { config } = changed;
    const problems = named.flatMap((one, index) => putUnplaced(config, one, settings[index]!.text));
    if (problems.length > 0) return { problems };
    return { config: applied.config, settings: named.map((one) => checkedOf(config, one)) };
  }

  /** @returns why it was not written; null: it was */
  save({ path, text }: WrittenSetting, source: string): string | null {
    const base = this.#load(this.#text, []);
    if ("problems" in base) return base.problems[0] ?? "";
    const found = findOption(path, base.config, this.#protocols) as NamedOption;
    const byHand = "; write it there by hand";
    if (found.keys === null) return `${this.#file} has no place for ${path} in its form`;
    const written = writeValue(this.#text, found.keys, text);
    if (written === null) return `${this.#file}: there is no plain place for ${path}${byHand}`;
    const meant = this.#load(this.#text, [{ keys: found.keys, text }]);
    if (JSON.stringify(this.#load(written, [])) !== JSON.stringify(meant)) {
      return `${this.#file}: what ${path} says there is shared with other places${byHand}`;
    }
    try {
      replaceText(this.#file, source, source.startsWith(MARK) ? MARK + written : written);
      return null;
    } catch (error) {
      return `${this.#file} cannot be written: ${reasonOf(error)}`;
    }
  }

  #load(
    text: string,
    overrides: readonly Override[],
  ): { readonly config: Config } | { readonly problems: readonly string[] } {
    const { config, problems } = loadConfig(text, this.#file, PROTOCOLS, this.#outside, overrides);
    if (config !== null) return { config };
    const errors = problems.filter(({ severity }) => severity === "error");
    return { problems: errors.map((problem) => formatProblem(problem, null)) };
  }

  get #protocols(): readonly ProtocolOptions[] {
    return [...PROTOCOLS, ...protocolsOf(this.#outside)];
  }
}

function overridesOf(
  named: readonly NamedOption[],
  settings: readonly WrittenSetting[],
): readonly Override[] {
  return named.flatMap(({ keys }, index) =>
    keys === null ? [] : [{ keys, text: settings[index]!.text }],
  );
}

/** Puts in what a file of this form cannot say. @returns what is wrong with it */
function putUnplaced(
  config: Config,
  { option, field, keys, path }: NamedOption,
  text: string,
): string[] {
  if (keys !== null) return [];
  const parsed = parseText(option, text);
  if (!parsed.ok) return [`${path}: ${parsed.message}`];
  setField(config, field, parsed.value);
  return [];
}

function checkedOf(config: Config, { path, option, pool, field }: NamedOption): CheckedSetting {
  const value = fieldOf(partOf(config, pool)!, field);
  return { path, pool, field, value, text: fieldText(option, value), isLive: option.isLive };
}
