/**
 * Values that change while workers run. Readers of a live option (`Option.isLive`) look at the configuration when they need the
 * value, and keep no copy of it.
 */
import type { Config } from "../api/config.ts";
import type { LiveValue } from "../api/steering.ts";

type Branch = Record<string, unknown>;

/** The value at a field such as "log.level"; undefined: there is no such field. */
export function fieldOf(target: object, field: string): unknown {
  let value: unknown = target;
  for (const name of field.split(".")) {
    if (typeof value !== "object" || value === null) return undefined;
    value = (value as Branch)[name];
  }
  return value;
}

/** The part of the configuration that an option's field stands in; null: there is no such pool. */
export function partOf(config: Config, pool: string | null): object | null {
  return pool === null ? config : (config.pools.find(({ name }) => name === pool) ?? null);
}

/** A configuration with values put over it; those for pools that it does not have are passed over. */
export function withLive(config: Config, values: readonly LiveValue[]): Config {
  if (values.length === 0) return config;
  const live = structuredClone(config);
  for (const { pool, field, value } of values) {
    const part = partOf(live, pool);
    if (part !== null && fieldOf(part, field) !== undefined) setField(part, field, value);
  }
  return live;
}

/** Changes the field in place. It must exist. */
export function setField(target: object, field: string, value: unknown): void {
  const names = field.split(".");
  const last = names.pop() ?? "";
  let branch = target as Branch;
  for (const name of names) branch = branch[name] as Branch;
  branch[last] = value;
}
