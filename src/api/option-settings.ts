/** Reads a module's own options, whose names and types its rows say. */
import { assert } from "../base/assert.ts";
import type { OptionSettings, OptionValue } from "./option.ts";

function valueIn(settings: OptionSettings, name: string): OptionValue {
  const setting = settings[name];
  assert(setting !== undefined, `the option ${name} has a value`);
  return setting.value;
}

export function numberIn(settings: OptionSettings, name: string): number {
  const value = valueIn(settings, name);
  assert(typeof value === "number", `${name} is a number`);
  return value;
}

export function booleanIn(settings: OptionSettings, name: string): boolean {
  const value = valueIn(settings, name);
  assert(typeof value === "boolean", `${name} is true or false`);
  return value;
}

/** "host:port"; null: unset, or a path. */
export function addressIn(settings: OptionSettings, name: string): string | null {
  const value = valueIn(settings, name);
  if (value === null || typeof value !== "object" || !("kind" in value)) return null;
  return value.kind === "tcp" ? `${value.host}:${value.port}` : null;
}

/** In milliseconds; null: no limit. */
export function durationIn(settings: OptionSettings, name: string): number | null {
  return valueIn(settings, name) === null ? null : numberIn(settings, name);
}

/** Null: unset. */
export function textIn(settings: OptionSettings, name: string): string | null {
  const value = valueIn(settings, name);
  assert(value === null || typeof value === "string", `${name} is a text`);
  return value;
}

/** Unset: none. */
export function textsIn(settings: OptionSettings, name: string): readonly string[] {
  const value = valueIn(settings, name);
  assert(value === null || Array.isArray(value), `${name} is a list`);
  return value === null ? [] : (value as readonly string[]);
}

export function choiceIn<Name extends string>(
  settings: OptionSettings,
  name: string,
  names: readonly Name[],
): Name {
  const value = valueIn(settings, name);
  const found = names.find((candidate) => candidate === value);
  assert(found !== undefined, `${name} is one of its choices`);
  return found;
}
