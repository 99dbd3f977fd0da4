/** RESP as a client and a server of the simulation read and write it. Texts have one character per byte. */

export const CRLF = "\r\n";

/** A reply as text, exactly as it came, and what it is made of. */
export interface Reply {
  readonly type: string;
  /** Of `-`, `+`, `:`, and the value of `$`; null: there is none. */
  readonly text: string | null;
  /** Of an array, set, map or push. */
  readonly items: readonly Reply[];
}

export function bulk(text: string | null, version = 2): string {
  if (text === null) return version === 3 ? "_\r\n" : "$-1\r\n";
  return `$${text.length}${CRLF}${text}${CRLF}`;
}

export function request(words: readonly string[]): string {
  return `*${words.length}${CRLF}${words.map((word) => bulk(word)).join("")}`;
}

/** Reads values one after the other from text that comes in pieces. */
export class RespReader {
  private text = "";
  private at = 0;
  /** The one that was read last, as it came. */
  raw = "";

  add(text: string): void {
    this.text = this.text.substring(this.at) + text;
    this.at = 0;
  }

  /** Null: the next one is not complete. @throws Error: this is no RESP */
  next(): Reply | null {
    const from = this.at;
    const reply = this.value();
    if (reply === null) this.at = from;
    else this.raw = this.text.substring(from, this.at);
    return reply;
  }

  private value(): Reply | null {
    const end = this.text.indexOf(CRLF, this.at);
    if (end < 0) return null;
    const type = this.text[this.at]!;
    const line = this.text.substring(this.at + 1, end);
    this.at = end + 2;
    switch (type) {
      case "+":
      case "-":
      case ":":
      case ",":
      case "#":
        return { type, text: line, items: [] };
      case "_":
        return { type: "$", text: null, items: [] };
      case "$":
      case "=":
        return this.bulk(Number(line));
      case "*":
      case "~":
      case ">":
        return this.array(type, Number(line));
      case "%":
        return this.array(type, 2 * Number(line));
      default:
        throw new Error(`no reply begins like ${JSON.stringify(type + line)}`);
    }
  }

  private bulk(length: number): Reply | null {
    if (length < 0) return { type: "$", text: null, items: [] };
    if (this.text.length < this.at + length + 2) return null;
    const text = this.text.substring(this.at, this.at + length);
    this.at += length + 2;
    return { type: "$", text, items: [] };
  }

  private array(type: string, count: number): Reply | null {
    if (count < 0) return { type: "$", text: null, items: [] };
    const items: Reply[] = [];
    for (let i = 0; i < count; i++) {
      const item = this.value();
      if (item === null) return null;
      items.push(item);
    }
    return { type, text: null, items };
  }
}
