/** `stats proxy TABLE`: each value is a line, named by the number of its row and its column. */
import type { Operators } from "../../../operators.ts";

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
    if (shown === null) done(NOT_NOW);
    else if ("problem" in shown) done(Buffer.from(`CLIENT_ERROR ${shown.problem}\r\n`));
    else {
      const lines = shown.rows.flatMap((row, index) =>
        Object.entries(row).map(([name, value]) => `STAT ${index}:${name} ${oneLine(value)}\r\n`),
      );
      done(Buffer.from(`${lines.join("")}END\r\n`));
    }
  });
}

function oneLine(value: string | number): string {
  return `${value}`.replace(/[\r\n]/g, " ");
}
