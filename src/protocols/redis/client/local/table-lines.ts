/** A table as lines for people: redis-cli shows one value a line, so a table of rows and columns is hard to read in it. */
import type { ShownRow } from "../../../../api/inspection.ts";

const GAP = "  ";

/** The heading first. Columns in which no row says anything (0, "") are left out; numbers stand on the right. */
export function linesOf(rows: readonly ShownRow[]): string[] {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))].filter((name) =>
    rows.some((row) => row[name] !== undefined && row[name] !== 0 && row[name] !== ""),
  );
  const columns = names.map((name) => {
    const cells = [name, ...rows.map((row) => `${row[name] ?? ""}`)];
    const width = Math.max(...cells.map((cell) => cell.length));
    const isNumber = rows.every((row) => typeof (row[name] ?? 0) === "number");
    return cells.map((cell) => (isNumber ? cell.padStart(width) : cell.padEnd(width)));
  });
  if (columns.length === 0) return ["nothing to show"];
  return columns[0]!.map((_, line) =>
    columns
      .map((cells) => cells[line])
      .join(GAP)
      .trimEnd(),
  );
}
