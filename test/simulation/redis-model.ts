/** What commands with one key do to its value, as Redis does it: for the simulated server, and for those who check its replies. */
import { bulk, CRLF } from "./resp.ts";

/** Null: the key is not there. An array: a list. */
export type Value = string | readonly string[] | null;

export interface Outcome {
  readonly reply: string;
  readonly value: Value;
}

const OK = `+OK${CRLF}`;
const WRONG_TYPE = `-WRONGTYPE Operation against a key holding the wrong kind of value${CRLF}`;

/** Commands that leave what they set, whatever was there, and however often they are executed. */
const SETTING: ReadonlySet<string> = new Set(["SET", "DEL", "SETNX", "GETSET", "GETDEL", "UNLINK"]);
const READING: ReadonlySet<string> = new Set([
  "GET",
  "STRLEN",
  "GETRANGE",
  "EXISTS",
  "LLEN",
  "LRANGE",
  "TOUCH",
]);

const OF_TEXTS: ReadonlySet<string> = new Set([
  ...["GET", "GETSET", "GETDEL", "APPEND", "STRLEN", "GETRANGE", "INCRBY"],
]);

export function isReading(command: readonly string[]): boolean {
  return READING.has(command[0]!);
}

export function isSetting(command: readonly string[]): boolean {
  return SETTING.has(command[0]!);
}

/** @returns null: no such command is known @param version of RESP, for nulls */
export function apply(command: readonly string[], value: Value, version = 2): Outcome | null {
  const [name = "", , argument = "", last = ""] = command;
  const integer = (number: number): string => `:${number}${CRLF}`;
  const text = typeof value === "string" ? value : null;
  const list = typeof value === "object" && value !== null ? value : null;
  const stays = (reply: string): Outcome => ({ reply, value });
  switch (name) {
    case "SET":
      return { reply: OK, value: argument };
    case "DEL":
    case "UNLINK":
      return { reply: integer(value === null ? 0 : 1), value: null };
    case "EXISTS":
    case "TOUCH":
      return stays(integer(value === null ? 0 : 1));
    case "SETNX":
      return value === null ? { reply: integer(1), value: argument } : stays(integer(0));
    case "LLEN":
      return text !== null ? stays(WRONG_TYPE) : stays(integer(list?.length ?? 0));
    case "LRANGE":
      if (text !== null) return stays(WRONG_TYPE);
      return stays(
        `*${list?.length ?? 0}${CRLF}${(list ?? []).map((item) => bulk(item)).join("")}`,
      );
    case "RPUSH":
    case "LPUSH": {
      if (text !== null) return stays(WRONG_TYPE);
      const items = command.slice(2);
      const next =
        name === "RPUSH" ? [...(list ?? []), ...items] : [...items.reverse(), ...(list ?? [])];
      return { reply: integer(next.length), value: next };
    }
    case "BLPOP": {
      if (text !== null) return stays(WRONG_TYPE);
      if (list === null) return stays(version === 3 ? "_\r\n" : "*-1\r\n");
      const [first = null, ...rest] = list;
      const reply = `*2${CRLF}${bulk(command[1]!)}${bulk(first)}`;
      return { reply, value: rest.length === 0 ? null : rest };
    }
    case "LPOP": {
      if (text !== null) return stays(WRONG_TYPE);
      const [first = null, ...rest] = list ?? [];
      return { reply: bulk(first, version), value: rest.length === 0 ? null : rest };
    }
  }
  if (list !== null) return OF_TEXTS.has(name) ? stays(WRONG_TYPE) : null;
  switch (name) {
    case "GET":
      return stays(bulk(text, version));
    case "GETRANGE":
      return stays(bulk((text ?? "").substring(Number(argument), Number(last) + 1)));
    case "GETSET":
      return { reply: bulk(text, version), value: argument };
    case "GETDEL":
      return { reply: bulk(text, version), value: null };
    case "APPEND": {
      const next = (text ?? "") + argument;
      return { reply: integer(next.length), value: next };
    }
    case "STRLEN":
      return stays(integer(text?.length ?? 0));
    case "INCRBY": {
      if (text !== null && !/^-?\d{1,15}$/.test(text)) {
        return stays(`-ERR value is not an integer or out of range${CRLF}`);
      }
      const next = Number(text ?? 0) + Number(argument);
      return { reply: integer(next), value: String(next) };
    }
    default:
      return null;
  }
}
