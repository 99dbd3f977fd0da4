/** What commands with one key do to its item, as memcached does it. A command is its words, with the data behind them as the last one. */

/** Null: there is none. */
export type Item = { readonly flags: string; readonly data: string } | null;

export interface Outcome {
  readonly reply: string;
  readonly value: Item;
}

const STORING: ReadonlySet<string> = new Set(["set", "add", "replace", "append", "prepend"]);
/** Whatever was there, and however often they are executed. */
const SETTING: ReadonlySet<string> = new Set(["set", "add", "replace", "delete", "ms", "md"]);
const READING: ReadonlySet<string> = new Set(["get", "mg", "touch"]);

/** What follows the line of `words` is data of so many bytes; -1: nothing follows. */
export function dataLength(words: readonly string[]): number {
  if (STORING.has(words[0]!)) return Number(words[4]);
  return words[0] === "ms" ? Number(words[2]) : -1;
}

export function isReading(command: readonly string[]): boolean {
  return READING.has(command[0]!);
}

export function isSetting(command: readonly string[]): boolean {
  return SETTING.has(command[0]!);
}

export function encode(command: readonly string[]): string {
  const isWithData = STORING.has(command[0]!) || command[0] === "ms";
  if (!isWithData) return `${command.join(" ")}\r\n`;
  return `${command.slice(0, -1).join(" ")}\r\n${command.at(-1)}\r\n`;
}

/** @returns null: no such command is known */
export function apply(command: readonly string[], value: Item): Outcome | null {
  const [name = "", key = ""] = command;
  const data = command.at(-1)!;
  const stays = (reply: string): Outcome => ({ reply: `${reply}\r\n`, value });
  const stored = (item: Item, reply = "STORED"): Outcome => ({
    reply: `${reply}\r\n`,
    value: item,
  });
  switch (name) {
    case "get":
      if (value === null) return stays("END");
      return stays(`VALUE ${key} ${value.flags} ${value.data.length}\r\n${value.data}\r\nEND`);
    case "set":
      return stored({ flags: command[2]!, data });
    case "add":
      return value === null ? stored({ flags: command[2]!, data }) : stays("NOT_STORED");
    case "replace":
      return value === null ? stays("NOT_STORED") : stored({ flags: command[2]!, data });
    case "append":
      return value === null ? stays("NOT_STORED") : stored({ ...value, data: value.data + data });
    case "prepend":
      return value === null ? stays("NOT_STORED") : stored({ ...value, data: data + value.data });
    case "delete":
      return value === null ? stays("NOT_FOUND") : stored(null, "DELETED");
    case "touch":
      return stays(value === null ? "NOT_FOUND" : "TOUCHED");
    case "incr": {
      if (value === null) return stays("NOT_FOUND");
      if (!/^\d{1,15}$/.test(value.data)) {
        return stays("CLIENT_ERROR cannot increment or decrement non-numeric value");
      }
      const next = String(Number(value.data) + Number(data));
      return stored({ ...value, data: next }, next);
    }
    case "mg": {
      const opaque = command.find((word) => /^O\d/.test(word));
      const tail = opaque === undefined ? "" : ` ${opaque}`;
      return stays(
        value === null ? `EN${tail}` : `VA ${value.data.length}${tail}\r\n${value.data}`,
      );
    }
    case "ms":
      return stored({ flags: "0", data }, "HD");
    case "md":
      return value === null ? stays("NF") : stored(null, "HD");
    default:
      return null;
  }
}

/** Reads replies one after the other from text that comes in pieces. */
export class ReplyTextReader {
  private text = "";

  add(text: string): void {
    this.text += text;
  }

  next(): string | null {
    const end = this.end(0);
    if (end < 0) return null;
    const raw = this.text.substring(0, end);
    this.text = this.text.substring(end);
    return raw;
  }

  /** Where the reply ends that begins at `start`; -1: it is not complete. */
  private end(start: number): number {
    const lineEnd = this.text.indexOf("\r\n", start);
    if (lineEnd < 0) return -1;
    const words = this.text.substring(start, lineEnd).split(" ");
    const length =
      words[0] === "VALUE" ? Number(words[3]) : words[0] === "VA" ? Number(words[1]) : -1;
    if (length < 0) {
      if (!/^[A-Z0-9_]+( .*)?$/.test(words.join(" "))) {
        throw new Error(`no reply begins like ${JSON.stringify(words.join(" "))}`);
      }
      return lineEnd + 2;
    }
    const dataEnd = lineEnd + 2 + length + 2;
    if (this.text.length < dataEnd) return -1;
    if (this.text.substring(dataEnd - 2, dataEnd) !== "\r\n")
      throw new Error("the data has no end");
    return words[0] === "VALUE" ? this.end(dataEnd) : dataEnd;
  }
}
