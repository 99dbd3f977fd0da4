/**
 * Refuses requests that an operator has blocked, or that may write where nothing is to be written.
 *
 * PATTERN: a command, with its subcommand if it has one, and then maybe a pattern of keys, in which `*` stands for any bytes and `?` for
 * one: `DEL user:*`, `CONFIG SET`, `FLUSHALL`, `* user:*`. A request whose keys are not known is refused as if they matched.
 */
import type { FilterChain, RequestReader, RequestRecord } from "../api/filter.ts";
import type { Lever } from "../api/steering.ts";

interface Rule {
  readonly reply: string;
  refuses(reader: RequestReader): boolean;
}

export class LeverChain implements FilterChain {
  readonly hearsEnds = false;
  private rules: readonly Rule[];

  constructor(levers: readonly Lever[]) {
    this.rules = levers.map(ruleOf);
  }

  follow(levers: readonly Lever[]): void {
    this.rules = levers.map(ruleOf);
  }

  judge(reader: RequestReader): Buffer | null {
    for (const rule of this.rules) {
      if (rule.refuses(reader)) return reader.refusal(rule.reply);
    }
    return null;
  }

  createRecord(): RequestRecord {
    return { command: "", startedMs: 0, notes: [], seen: 0 };
  }

  done(): void {}
}

function ruleOf({ kind, text }: Lever): Rule {
  if (kind === "readonly") {
    return {
      reply: "ERR writes are refused for a while: an operator has made this pool read-only",
      refuses: ({ isWrite }) => isWrite,
    };
  }
  return {
    reply: `ERR refused for a while: an operator has blocked ${JSON.stringify(text)}`,
    refuses: refusalBy(text),
  };
}

function refusalBy(text: string): Rule["refuses"] {
  const words = text.split(" ").filter((word) => word !== "");
  const [first = "", second = ""] = words.map((word) => word.toUpperCase());
  const long = `${first} ${second}`;
  const patternOf = (word: string | undefined): Buffer | null =>
    word === undefined ? null : Buffer.from(word);
  const [short, behind] = [patternOf(words[1]), patternOf(words[2])];
  return (reader) => {
    const command = reader.command.toUpperCase();
    if (command === long) return behind === null || hasKey(reader, behind);
    const isIt = command === first || first === "*" || command.startsWith(`${first} `);
    return isIt && words.length < 3 && (short === null || hasKey(reader, short));
  };
}

function hasKey(reader: RequestReader, pattern: Buffer): boolean {
  if (reader.keyCount < 0) return true;
  for (let i = 0; i < reader.keyCount; i++) if (matches(pattern, reader.key(i))) return true;
  return false;
}

const ANY = 0x2a;
const ONE = 0x3f;

/** Whether the whole of `bytes` matches; in time that grows with both lengths multiplied at the most. */
export function matches(pattern: Uint8Array, bytes: Uint8Array): boolean {
  let at = 0;
  let from = 0;
  /** Behind the last star, and where what it stands for ended so far. */
  let star = -1;
  let starEnd = 0;
  while (from < bytes.length) {
    if (at < pattern.length && pattern[at] === ANY) {
      star = ++at;
      starEnd = from;
    } else if (at < pattern.length && (pattern[at] === ONE || pattern[at] === bytes[from])) {
      at++;
      from++;
    } else if (star >= 0) {
      at = star;
      from = ++starEnd;
    } else return false;
  }
  while (at < pattern.length && pattern[at] === ANY) at++;
  return at === pattern.length;
}
