/** How operators name one option of a running proxy: `drain_timeout`, `log.level`, `pools.main.timeout`, or `main.timeout`. */
import type { Config, PoolConfig } from "../api/config.ts";
import { type Form, type Option, type OptionValue, option } from "../api/option.ts";
import { fieldOf, partOf } from "./live.ts";
import { didYouMean } from "./nearest.ts";
import { optionsAt, type ProtocolOptions, poolOptions } from "./options.ts";
import { quote } from "./problem.ts";
import { formatValue } from "./values.ts";

export interface NamedOption {
  /** As a file of the configuration's form has it. */
  readonly path: string;
  readonly option: Option;
  readonly pool: string | null;
  readonly field: string;
  /** The keys that lead to it in the file; null: a file of this form cannot say it. */
  readonly keys: readonly string[] | null;
}

const GROUPS = ["log", "stats", "admin"] as const;

/** Every option that the configuration has a value of. */
export function namedOptions(
  config: Config,
  protocols: readonly ProtocolOptions[],
): readonly NamedOption[] {
  const { form } = config;
  return [
    ...optionsAt("top").flatMap((option) => named(form, option, null, [])),
    ...GROUPS.flatMap((group) =>
      optionsAt(group).flatMap((option) => named(form, option, null, [group])),
    ),
    ...config.pools.flatMap((pool) => optionsOfPool(form, pool, protocols)),
  ];
}

/** The option that `path` names, or why there is none, in one line. */
export function findOption(
  path: string,
  config: Config,
  protocols: readonly ProtocolOptions[],
): NamedOption | string {
  const all = namedOptions(config, protocols);
  const paths = (found: NamedOption): readonly string[] =>
    found.pool === null ? [found.path] : [found.path, shortPath(found)];
  const match = all.find((found) => paths(found).includes(path));
  if (match !== undefined) return match;
  const pool = config.pools.find(({ name }) => [name, `pools.${name}`].includes(path));
  if (pool !== undefined)
    return `${quote(path)} is a pool; name one of its options: ${path}.timeout`;
  const isShort = !path.startsWith("pools.");
  const names = all.map((found) =>
    isShort && found.pool !== null ? shortPath(found) : found.path,
  );
  const hint = didYouMean(path, names) || '; "proxy config get" shows all';
  return `there is no option ${quote(path)}${hint}`;
}

function shortPath({ pool, option }: NamedOption): string {
  return `${pool}.${option.name}`;
}

function optionsOfPool(
  form: Form,
  pool: PoolConfig,
  protocols: readonly ProtocolOptions[],
): NamedOption[] {
  const own = protocols.find(({ name }) => name === pool.protocol) ?? null;
  const general = new Set(optionsAt("pool").map(({ name }) => name));
  const known = poolOptions(own === null ? [] : [own], own);
  const keys = form === "native" ? ["pools", pool.name] : [pool.name];
  const rows = [...known, ...(own === null ? optionsOfModule(pool) : [])].filter(({ forms }) =>
    forms.includes(form),
  );
  const ofPool = rows.flatMap((option) => {
    const isGeneral = general.has(option.name);
    const row = isGeneral ? option : { ...option, field: `options.${option.name}` };
    return own?.ignores?.includes(option.name) ? [] : named(form, row, pool.name, keys);
  });
  if (pool.workers == null) return ofPool;
  const inGroup = [...keys, "workers"];
  return [
    ...ofPool,
    ...optionsAt("workers").flatMap((option) => named(form, option, pool.name, inGroup)),
  ];
}

/** The options of a protocol that is a module, of which this process knows what the configuration holds. */
function optionsOfModule({ options }: PoolConfig): Option[] {
  return Object.keys(options).map((name) =>
    option({ name, where: "pool", type: { kind: "text" }, help: "Of a module." }),
  );
}

function named(
  form: Form,
  option: Option,
  pool: string | null,
  keys: readonly string[],
): NamedOption[] {
  const { field } = option;
  if (field === null) return [];
  const all = [...keys, option.name];
  return [
    { path: all.join("."), option, pool, field, keys: option.forms.includes(form) ? all : null },
  ];
}

/** Its value in the configuration, as a file would have it. */
export function textOf({ option, pool, field }: NamedOption, config: Config): string {
  const part = partOf(config, pool);
  return part === null ? "" : fieldText(option, fieldOf(part, field));
}

/** The value of an option's field, as a file would have it. */
export function fieldText(option: Option, value: unknown): string {
  if (option.field?.startsWith("options.") === true) {
    return (value as { readonly text: string | null }).text ?? "(secret)";
  }
  const { type } = option;
  switch (type.kind) {
    case "servers":
    case "filters":
      return `[${(value as readonly { readonly name: string }[]).map(({ name }) => name).join(", ")}]`;
    case "modules":
      return `[${(value as readonly { readonly path: string }[]).map(({ path }) => path).join(", ")}]`;
    case "zones":
      return JSON.stringify(value ?? {});
    case "choice":
      // The one choice whose field is a boolean: true stands for the first.
      if (typeof value === "boolean") return type.values[value ? 0 : 1] ?? "";
      break;
    case "duration":
      if (value === 0 && type.none) return "none";
      break;
    case "text":
    case "pair":
    case "cores":
    case "integer":
      if (value === null) return "unset";
      break;
  }
  return formatValue(type, value as OptionValue);
}
