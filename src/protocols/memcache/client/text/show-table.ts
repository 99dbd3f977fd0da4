/** `stats proxy TABLE`: each value is a line, named by the number of its row and its column. */
import type { ShownTable } from "../../../../api/inspection.ts";
import { type Operators, TableTexts } from "../../../operators.ts";

const NOT_NOW: Buffer = Buffer.from(
  "SERVER_ERROR the proxy's supervisor did not answer in time, or is older than this\r\n",
);

/** @param done gets the reply */
export function showTable(
  operators: Operators,
  table: string,
  done: (reply: Buffer) => void,
): void {
  operators.show(table, (shown) => {
    done(shown === null ? NOT_NOW : texts.of(shown));
  });
}

const texts: TableTexts = new TableTexts(encoded);

function encoded(table: ShownTable): Buffer {
  if ("problem" in table) return Buffer.from(`CLIENT_ERROR ${table.problem}\r\n`);
  const lines = table.rows.flatMap((row, index) =>
    Object.entries(row).map(([name, value]) => `STAT ${index}:${name} ${oneLine(value)}\r\n`),
  );
  return Buffer.from(`${lines.join("")}END\r\n`);
}

function oneLine(value: string | number): string {
  return `${value}`.replace(/[\r\n]/g, " ");
}
