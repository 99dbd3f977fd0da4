/**
 * Reads a command line the way getopt_long does, because nutcracker's users have such lines in their scripts:
 * `-cconf.yml`, `-dv 6`, `--conf-file F`, `--conf-file=F`, `--verb 6`.
 *
 * The result is the plain form that citty takes (`--name=value`, long names only), and nothing unknown gets that far.
 */
import type { ArgsDef } from "citty";
import { nearest } from "../config/nearest.ts";

export type FlagsResult =
  | { readonly args: readonly string[]; readonly positionals: readonly string[] }
  | { readonly problem: string };

interface Flag {
  /** The long name that citty knows. */
  readonly name: string;
  readonly takesValue: boolean;
}

/** @param definition of the command whose flags these are; its aliases of one letter are the short flags. */
export function normaliseFlags(argv: readonly string[], definition: ArgsDef): FlagsResult {
  const reader = new FlagReader(argv, flagTable(definition));
  try {
    reader.readAll();
  } catch (error) {
    if (error instanceof FlagProblem) return { problem: error.message };
    throw error;
  }
  const { flags, positionals } = reader;
  // Behind "--" a positional may begin with a dash.
  const tail = positionals.length > 0 ? ["--", ...positionals] : [];
  return { args: [...flags, ...tail], positionals };
}

class FlagProblem extends Error {}

class FlagReader {
  readonly flags: string[] = [];
  readonly positionals: string[] = [];
  readonly #rest: string[];
  readonly #table: ReadonlyMap<string, Flag>;

  constructor(argv: readonly string[], table: ReadonlyMap<string, Flag>) {
    this.#rest = [...argv];
    this.#table = table;
  }

  readAll(): void {
    while (true) {
      const word = this.#rest.shift();
      if (word === undefined) return;
      if (word === "--") {
        this.positionals.push(...this.#rest.splice(0));
      } else if (word.startsWith("--")) {
        this.#readLong(word.substring(2));
      } else if (word.startsWith("-") && word !== "-") {
        this.#readShorts(word.substring(1));
      } else {
        this.positionals.push(word);
      }
    }
  }

  #readLong(word: string): void {
    const equals = word.indexOf("=");
    const name = equals < 0 ? word : word.substring(0, equals);
    const given = equals < 0 ? null : word.substring(equals + 1);
    if (name.startsWith("no-")) {
      const flag = this.#table.get(name.substring(3));
      if (flag !== undefined && !flag.takesValue && given === null) {
        this.flags.push(`--no-${flag.name}`);
        return;
      }
    }
    const flag = this.#table.get(name) ?? this.#abbreviated(name);
    if (flag.takesValue) {
      this.#pushValue(flag, given ?? this.#rest.shift(), `--${name}`);
    } else if (given === null) {
      this.flags.push(`--${flag.name}`);
    } else {
      throw new FlagProblem(`--${name} takes no value, but "${given}" was given`);
    }
  }

  /** One word of short flags: all but the last take no value, and the last one's value may follow without a blank. */
  #readShorts(word: string): void {
    for (let index = 0; index < word.length; index += 1) {
      const letter = word.charAt(index);
      const flag = this.#table.get(letter);
      if (flag === undefined) {
        const place = word.length > 1 ? ` in "-${word}"` : "";
        throw new FlagProblem(`unknown flag "-${letter}"${place}`);
      }
      if (flag.takesValue) {
        const attached = word.substring(index + 1);
        this.#pushValue(flag, attached === "" ? this.#rest.shift() : attached, `-${letter}`);
        return;
      }
      this.flags.push(`--${flag.name}`);
    }
  }

  #pushValue(flag: Flag, value: string | undefined, written: string): void {
    if (value === undefined || value === "") throw new FlagProblem(`${written} needs a value`);
    this.flags.push(`--${flag.name}=${value}`);
  }

  /** A long name may be cut short as long as only one flag can be meant. */
  #abbreviated(name: string): Flag {
    const long = [...this.#table].filter(([candidate]) => candidate.length > 1);
    const meant = long.filter(([candidate]) => name !== "" && candidate.startsWith(name));
    const flags = new Set(meant.map(([, flag]) => flag));
    const [only] = flags;
    if (only !== undefined && flags.size === 1) return only;
    if (flags.size > 1) {
      const names = meant.map(([candidate]) => `--${candidate}`).join(", ");
      throw new FlagProblem(`"--${name}" may mean ${names}`);
    }
    const guess = nearest(
      name,
      long.map(([candidate]) => candidate),
    );
    const hint = guess === null ? "" : `; did you mean "--${guess}"?`;
    throw new FlagProblem(`unknown flag "--${name}"${hint}`);
  }
}

/** Long names and single letters alike. */
function flagTable(definition: ArgsDef): ReadonlyMap<string, Flag> {
  const table = new Map<string, Flag>();
  for (const [name, arg] of Object.entries(definition)) {
    if (arg.type === "positional") continue;
    const flag = { name, takesValue: arg.type === "string" || arg.type === "enum" };
    const aliases = "alias" in arg ? [arg.alias ?? []].flat() : [];
    for (const alias of [name, ...aliases]) table.set(alias, flag);
  }
  return table;
}
