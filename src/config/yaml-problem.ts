/**
 * What is wrong with text that is no YAML, in words for people who do not know the grammar: the slip that makes a line
 * unreadable, and what to do about it. The library names the rule of the grammar that was broken, where it noticed.
 */

/** What the library says. */
export interface YamlError {
  readonly code: string;
  readonly message: string;
  /** Where it noticed: an offset into the text. */
  readonly offset: number;
}

export interface YamlProblem {
  readonly offset: number;
  readonly message: string;
}

/** More would be no help, and each is looked for in its line, which may be the whole file. */
const ERRORS_MAX = 100;

/** The first one, and each line with the same. Whatever else the library stumbles over behind it may be a consequence. */
export function yamlProblems(errors: readonly YamlError[], text: string): YamlProblem[] {
  const all = errors.filter((_, index) => index < ERRORS_MAX).map((error) => explain(error, text));
  const lines = new Set<number>();
  return all.filter(({ offset, message }) => {
    const line = lineStart(text, offset);
    if (message !== all[0]?.message || lines.has(line)) return false;
    lines.add(line);
    return true;
  });
}

function explain(error: YamlError, text: string): YamlProblem {
  const { code, message, offset } = error;
  if (code === "MULTIPLE_DOCS") {
    return { offset, message: "the file must hold one YAML document, not several" };
  }
  return (
    aboutTab(error, text) ??
    aboutQuotes(error, text) ??
    aboutColon(error, text) ??
    aboutBrackets(error, text) ??
    aboutIndentation(error, text) ??
    aboutBeginning(error, text) ??
    aboutEnd(error) ?? {
      offset,
      message: `YAML: ${message.split("\n")[0] ?? message}`,
    }
  );
}

function aboutTab({ code, offset }: YamlError, text: string): YamlProblem | null {
  const start = lineStart(text, offset);
  const tab = /^ *\t/.exec(lineAt(text, start));
  if (tab === null && code !== "TAB_AS_INDENT") return null;
  const at = tab === null ? offset : start + tab[0].length - 1;
  return { offset: at, message: "a tab cannot indent YAML; use spaces" };
}

function aboutQuotes({ code, message, offset }: YamlError, text: string): YamlProblem | null {
  if (code === "BAD_DQ_ESCAPE") {
    const words = "in double quotes a backslash begins a special character, and this is none";
    return { offset, message: `${words}; write \\\\ for one backslash, or use single quotes` };
  }
  const quote = /^Missing closing (["'])/.exec(message)?.[1];
  if (quote === undefined) return null;
  // Had another such quote followed, the text would end there.
  const begin = text.lastIndexOf(quote, offset - 1);
  return {
    offset: begin < 0 ? offset : begin,
    message: `the quote that begins here has no end; write ${quote} behind the value, too`,
  };
}

/** `redis:true` or `redis true`: for YAML that is one word, and goes on in the next line. */
function aboutColon({ code, offset }: YamlError, text: string): YamlProblem | null {
  if (code !== "MULTILINE_IMPLICIT_KEY" && code !== "MISSING_CHAR") return null;
  const start = lineStart(text, offset);
  const line = lineAt(text, start);
  const words = /^( *)([A-Za-z_][\w-]*)(:(?=[^ ])|)(?: |$|(?<=:))/.exec(line);
  if (words === null || /: |:$/.test(line)) return null;
  const [, before = "", name = "", colon = ""] = words;
  const at = start + before.length;
  if (colon !== "") return { offset: at, message: `a blank is missing behind "${name}:"` };
  return { offset: at, message: `a colon is missing behind "${name}"; write "${name}: …"` };
}

function aboutBrackets({ code, message, offset }: YamlError, text: string): YamlProblem | null {
  const closing = /^Flow .*end with a ([\]}])/.exec(message)?.[1];
  if (closing === undefined || (code !== "BAD_INDENT" && code !== "MISSING_CHAR")) return null;
  const opening = closing === "]" ? "[" : "{";
  const begin = text.lastIndexOf(opening, offset - 1);
  return {
    offset: begin < 0 ? offset : begin,
    message: `the ${opening} that begins here has no ${closing}; if it is meant as text, put the value in quotes`,
  };
}

/** A value whose first character means something to YAML. */
function aboutBeginning({ code, message, offset }: YamlError, text: string): YamlProblem | null {
  const line = lineAt(text, lineStart(text, offset));
  const begins = /^\s*(?:-\s+)?(?:[^\s:]+:\s+)?([[{*&!%@`|>])/.exec(line)?.[1];
  if (begins === undefined) return null;
  const hint = `a value that begins with ${begins} needs quotes`;
  if (code === "BAD_SCALAR_START") return { offset, message: hint };
  const words = aboutEnd({ code, message, offset })?.message ?? `YAML: ${message.split("\n")[0]}`;
  return { offset, message: `${words}; ${hint}` };
}

function aboutEnd({ code, message, offset }: YamlError): YamlProblem | null {
  if (code !== "UNEXPECTED_TOKEN" || !message.includes(" at node end")) return null;
  return { offset, message: "the value ends before this; put all of it in quotes" };
}

/** A line that is indented more or less than those that it belongs to. */
function aboutIndentation({ code, offset }: YamlError, text: string): YamlProblem | null {
  const start = lineStart(text, offset);
  const line = lineAt(text, start);
  const isBeginning = line.substring(0, offset - start).trim() === "";
  if (code === "BAD_INDENT" || (code === "UNEXPECTED_TOKEN" && isBeginning))
    return indented(text, start, "fits no line above it");
  if (code !== "BLOCK_AS_IMPLICIT_KEY" && code !== "MULTILINE_IMPLICIT_KEY") return null;
  if (code === "BLOCK_AS_IMPLICIT_KEY" && /^ *- /.test(line)) {
    return indented(text, start, "differs from that of the list's other entries");
  }
  const next = nextLine(text, start);
  if (next !== null && indentOf(lineAt(text, next)) > indentOf(line)) {
    return indented(text, next, "is deeper than that of the line above, which has a value already");
  }
  if (!/: .*: /.test(line)) return null;
  return { offset, message: 'a value with ": " in it needs quotes' };
}

function indented(text: string, start: number, what: string): YamlProblem {
  const line = lineAt(text, start);
  const blanks = indentOf(line);
  return {
    offset: start + blanks,
    message: `the indentation of this line (${blanks}) ${what}; what belongs together begins in the same column`,
  };
}

function indentOf(line: string): number {
  return line.length - line.trimStart().length;
}

function lineStart(text: string, offset: number): number {
  return offset === 0 ? 0 : text.lastIndexOf("\n", offset - 1) + 1;
}

/** The line that begins at `start`, without its end. */
function lineAt(text: string, start: number): string {
  const end = text.indexOf("\n", start);
  return text.substring(start, end < 0 ? text.length : end).replace(/\r$/, "");
}

/** Where the next line begins that has anything but a comment; null: there is none. */
function nextLine(text: string, start: number): number | null {
  for (let at = text.indexOf("\n", start) + 1; at > 0; at = text.indexOf("\n", at) + 1) {
    if (!/^\s*(?:#.*)?$/.test(lineAt(text, at))) return at;
  }
  return null;
}
