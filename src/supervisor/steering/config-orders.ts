/** `proxy config get`, `set`, `unset` and `diff`: values of the running configuration. */
import type {
  ConfigOption,
  ConfigOrder,
  ControlResult,
  SettingStatus,
} from "../../api/control-socket.ts";
import type { CheckedSetting, SettingsAnswer } from "../../api/settings.ts";
import { findOption, type NamedOption, namedOptions, textOf } from "../../config/option-path.ts";
import { PROTOCOLS } from "../../protocols/registry.ts";
import { describeChanges } from "../change/describe-changes.ts";
import { askSettings } from "../program/program.ts";
import { StartError } from "../start-error.ts";
import type { ChangeTarget } from "../supervisor-options.ts";
import { fieldsOf, kept, type Operator } from "./operator.ts";
import type { Setting } from "./steering.ts";

type Order<Verb> = Extract<ConfigOrder, { readonly verb: Verb }>;

/** Values as they hold now. @throws StartError */
export function configGet(target: ChangeTarget, { path }: Order<"config_get">): ControlResult {
  const { running } = target;
  const found = path === null ? namedOptions(running, PROTOCOLS) : [optionNamed(target, path)];
  const options = found.map((option) => describe(target, option));
  return { ok: true, verb: "config_get", options };
}

/** The values that are not the file's, and what has changed in the file since it was read. @throws StartError */
export async function configDiff(target: ChangeTarget): Promise<ControlResult> {
  const answer = await ask(target, [], null);
  const lines = describeChanges(answer.config, target.running);
  return { ok: true, verb: "config_diff", lines, settings: settingStatuses(target) };
}

/** @throws StartError: nothing has changed, neither in a worker nor in the file */
export async function configSet(
  target: ChangeTarget,
  { path, value, isSaved, forMs }: Order<"config_set">,
  operator: Operator,
): Promise<ControlResult> {
  if (isSaved && forMs !== null) {
    throw new StartError(["a value that is written into the file has no end: --save or --for"]);
  }
  const { steering } = target;
  const before = steering.settings;
  const others = before.filter((setting) => !isSameOption(setting, path));
  const answer = await ask(target, [...others, { path, text: value }], null);
  const checked = answer.settings.at(-1)!;
  const from = textBefore(target, checked);
  if (checked.isLive) await hold(target, checked, operator, forMs);
  else if (!isSaved) throw new StartError([needsReload(checked, value)]);
  if (isSaved) await save(target, checked, value, before);
  const { path: name, text, isLive } = checked;
  target.log.info("a setting was changed", {
    ...{ option: name, from, to: text, ...fieldsOf(operator), saved: isSaved },
    ...(forMs === null ? {} : { for_ms: forMs }),
    ...(isLive ? {} : { takes: "a reload" }),
  });
  const change = { path: name, from, text, isLive, isSaved, isReloaded: false, forMs };
  return { ok: true, verb: "config_set", ...change };
}

/** Takes back what was set: the file's value, as it was read, holds again. @throws StartError */
export async function configUnset(
  target: ChangeTarget,
  { path }: Order<"config_unset">,
  operator: Operator,
): Promise<ControlResult> {
  const { steering } = target;
  const name = path === null ? null : optionNamed(target, path).path;
  const gone = steering.settings.filter(
    (setting) => !setting.isSaved && (name === null || setting.path === name),
  );
  if (gone.length === 0 && name !== null) throw new StartError([`${name} was not set`]);
  await steering.set(steering.settings.filter((setting) => !gone.includes(setting)));
  const paths = [...new Set(gone.map((setting) => setting.path))];
  for (const option of paths) {
    target.log.info("a setting was taken back", { option, ...fieldsOf(operator) });
  }
  return { ok: true, verb: "config_unset", paths };
}

/** What holds and is not the file's. */
export function settingStatuses({ steering }: ChangeTarget): SettingStatus[] {
  return steering.settings
    .filter(({ isSaved }) => !isSaved)
    .map(({ path, text, atMs, untilMs, ...by }) => ({ path, text, ...kept(by), atMs, untilMs }));
}

async function hold(
  { steering }: ChangeTarget,
  checked: CheckedSetting,
  operator: Operator,
  forMs: number | null,
): Promise<void> {
  const atMs = Date.now();
  const untilMs = forMs === null ? null : atMs + forMs;
  const setting: Setting = { ...checked, ...kept(operator), atMs, untilMs, isSaved: false };
  // What has an end lies over what has none, and that over what the file says by now: each comes back when the one above ends.
  const isReplaced = (other: Setting): boolean =>
    other.path === checked.path && !other.isSaved && (untilMs === null || other.untilMs !== null);
  const others = steering.settings.filter((other) => !isReplaced(other));
  await steering.set([...others, setting]);
}

/** What cannot be written does not hold either. */
async function save(
  target: ChangeTarget,
  checked: CheckedSetting,
  value: string,
  before: readonly Setting[],
): Promise<void> {
  const { steering } = target;
  const { path, isLive } = checked;
  try {
    await ask(target, [{ path, text: value }], path);
  } catch (error) {
    if (isLive) await steering.set(before);
    throw error;
  }
  if (!isLive) return;
  const kept = steering.settings.filter(
    (setting) => setting.path !== path || isSet(setting, checked),
  );
  await steering.set(
    kept.map((setting) => (isSet(setting, checked) ? { ...setting, isSaved: true } : setting)),
  );
}

/** It is the last that was set. */
function isSet({ path, text, isSaved }: Setting, checked: CheckedSetting): boolean {
  return path === checked.path && text === checked.text && !isSaved;
}

/** @throws StartError with all that is wrong, in the words of `proxy check` */
async function ask(
  { options: { source }, config: { file }, program }: ChangeTarget,
  settings: readonly { readonly path: string; readonly text: string }[],
  saved: string | null,
): Promise<Exclude<SettingsAnswer, { readonly problems: readonly string[] }>> {
  if (source === null || file === null) {
    throw new StartError(["this proxy has no configuration file, by which values are checked"]);
  }
  const written = settings.map(({ path, text }) => ({ path, text }));
  const answer = await askSettings(program, file, source.runArguments, {
    ...{ settings: written, saved },
  });
  if ("problems" in answer) throw new StartError(answer.problems);
  return answer;
}

function describe(target: ChangeTarget, option: NamedOption): ConfigOption {
  const { path } = option;
  const setting = settingStatuses(target).findLast((one) => one.path === path) ?? null;
  return { path, text: textOf(option, target.running), isLive: option.option.isLive, setting };
}

/** @throws StartError */
function optionNamed({ running }: ChangeTarget, path: string): NamedOption {
  const found = findOption(path, running, PROTOCOLS);
  if (typeof found === "string") throw new StartError([found]);
  return found;
}

function isSameOption({ path, pool }: Setting, written: string): boolean {
  return path === written || (pool !== null && path === `pools.${written}`);
}

function textBefore({ running }: ChangeTarget, { path }: CheckedSetting): string {
  const found = findOption(path, running, PROTOCOLS);
  return typeof found === "string" ? "" : textOf(found, running);
}

function needsReload({ path }: CheckedSetting, value: string): string {
  return `${path} takes new workers, which a reload starts: "proxy config set ${path} '${value}' --save --reload" writes it into the file and reloads`;
}
