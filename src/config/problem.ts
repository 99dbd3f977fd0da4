/** What is wrong with a configuration file, and where. */

export interface Problem {
  readonly file: string;
  /** Both count from 1, the column in UTF-16 units; both 0: the value in question is not in the file. */
  readonly line: number;
  readonly column: number;
  /** The option's place: `pools.alpha.servers[2].weight`; "" for the file as a whole. */
  readonly path: string;
  /** One line: what was found, what was expected, the nearest valid name. */
  readonly message: string;
  /** A warning does not stop the file from being used. */
  readonly severity: "error" | "warning";
}

interface Found extends Problem {
  readonly offset: number;
}

/** The offset of a value that is not in the file. */
export const NOT_IN_FILE = -1;

/** Collects the problems of one file while it is read. */
export class ProblemList {
  readonly #file: string;
  readonly #lineStarts: number[] = [0];
  readonly #found: Found[] = [];

  constructor(file: string, text: string) {
    this.#file = file;
    for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) {
      this.#lineStarts.push(at + 1);
    }
  }

  /** @param offset into the file's text */
  error(offset: number, path: string, message: string): void {
    this.#add(offset, path, message, "error");
  }

  warn(offset: number, path: string, message: string): void {
    this.#add(offset, path, message, "warning");
  }

  get hasErrors(): boolean {
    return this.#found.some((problem) => problem.severity === "error");
  }

  get errorCount(): number {
    return this.#found.filter((problem) => problem.severity === "error").length;
  }

  /** The line that an offset lies in, counted from 1. */
  lineOf(offset: number): number {
    let low = 0;
    let high = this.#lineStarts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#lineStarts[middle]! <= offset) low = middle;
      else high = middle - 1;
    }
    return low + 1;
  }

  /** All of them, in the order of the file. What several pools share, and is wrong in all of them, is there once. */
  list(): Problem[] {
    const places = new Set<string>();
    return [...this.#found]
      .sort((a, b) => a.offset - b.offset)
      .filter(({ offset, path, severity }) => {
        const place = `${severity} ${offset} ${path.substring(path.lastIndexOf(".") + 1)}`;
        return !places.has(place) && places.add(place);
      })
      .map(({ offset: _, ...problem }) => problem);
  }

  #add(offset: number, path: string, message: string, severity: Problem["severity"]): void {
    const isInFile = offset !== NOT_IN_FILE;
    const line = isInFile ? this.lineOf(offset) : 0;
    const column = isInFile ? offset - this.#lineStarts[line - 1]! + 1 : 0;
    this.#found.push({ file: this.#file, line, column, path, message, severity, offset });
  }
}

/**
 * `nutcracker.yml:12:5: pool "alpha": unknown key "tiemout"; did you mean "timeout"?`, a warning marked as one.
 * @param source the file's text: adds the line in question with a caret under the column; null: only the message.
 */
export function formatProblem(problem: Problem, source: string | null): string {
  const mark = problem.severity === "warning" ? "warning: " : "";
  const place = problem.line === 0 ? "" : `${problem.file}:${problem.line}:${problem.column}: `;
  const head = `${place}${mark}${problem.message}`;
  const line = source === null ? undefined : source.split("\n")[problem.line - 1];
  // A password must not reach a terminal or a log because its line is in error.
  const isSecret = /redis_auth/.test(`${line} ${problem.path}`);
  if (line === undefined || isSecret || /^\s*$/.test(line) || line.length > 200) return head;
  const number = `${problem.line}`.padStart(5);
  const shown = line.trimEnd();
  const indent = line.substring(0, problem.column - 1).replace(/[^\t]/g, " ");
  return `${head}\n${number} | ${shown}\n${" ".repeat(number.length)} | ${indent}^`;
}

/** How a found piece of text is shown in a message: quoted, cut when long, control characters escaped. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.substring(0, 57)}...` : text);
}
