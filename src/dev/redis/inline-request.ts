/** Splits an inline request into arguments, with Redis's quoting rules. */

const SPACE = /[ \t\n\v\f\r\0]/;
const ESCAPES: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t", b: "\b", a: "\x07" };

/** @returns the arguments (none for a blank line), or null when the quotes are unbalanced */
export function splitInline(line: string): string[] | null {
  const args: string[] = [];
  let at = 0;
  for (;;) {
    while (at < line.length && SPACE.test(line.charAt(at))) at += 1;
    if (at >= line.length || line.charAt(at) === "\0") return args;
    const word = readWord(line, at);
    if (word === null) return null;
    args.push(word.text);
    at = word.end;
  }
}

interface Piece {
  readonly text: string;
  readonly end: number;
}

function readWord(line: string, start: number): Piece | null {
  let text = "";
  let at = start;
  while (at < line.length && !SPACE.test(line.charAt(at))) {
    const character = line.charAt(at);
    if (character === '"' || character === "'") {
      const quoted = character === '"' ? readDouble(line, at + 1) : readSingle(line, at + 1);
      if (quoted === null) return null;
      // A closing quote must be followed by a space or nothing at all.
      if (quoted.end < line.length && !SPACE.test(line.charAt(quoted.end))) return null;
      return { text: text + quoted.text, end: quoted.end };
    }
    text += character;
    at += 1;
  }
  return { text, end: at };
}

function readDouble(line: string, start: number): Piece | null {
  let text = "";
  let at = start;
  while (at < line.length) {
    const character = line.charAt(at);
    if (character === '"') return { text, end: at + 1 };
    const hex = /^\\x([0-9a-fA-F]{2})/.exec(line.substring(at, at + 4));
    if (hex !== null) {
      text += String.fromCharCode(Number.parseInt(hex[1] ?? "", 16));
      at += 4;
    } else if (character === "\\" && at + 1 < line.length) {
      const escaped = line.charAt(at + 1);
      text += ESCAPES[escaped] ?? escaped;
      at += 2;
    } else {
      text += character;
      at += 1;
    }
  }
  return null;
}

function readSingle(line: string, start: number): Piece | null {
  let text = "";
  let at = start;
  while (at < line.length) {
    const character = line.charAt(at);
    if (character === "'") return { text, end: at + 1 };
    if (character === "\\" && line.charAt(at + 1) === "'") {
      text += "'";
      at += 2;
    } else {
      text += character;
      at += 1;
    }
  }
  return null;
}
