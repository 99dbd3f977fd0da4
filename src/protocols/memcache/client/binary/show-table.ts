/** STAT with the key `proxy TABLE`: a statistic for each value, named by the number of its row and its column. */
import type { Operators } from "../../../operators.ts";
import { encodeReply, encodeStatistics } from "../../codec/binary/encode.ts";
import { OPCODE } from "../../codec/binary/opcode.ts";
import { STATUS } from "../../codec/binary/status.ts";

const NOT_NOW = "the proxy's supervisor did not answer in time, or is older than this";

/** @param done gets the replies */
export function showTable(
  operators: Operators,
  table: string,
  opaque: number,
  done: (replies: Buffer) => void,
): void {
  const fail = (status: number, text: string): void =>
    done(encodeReply(OPCODE.stat, status, opaque, Buffer.from(text).toString("latin1")));
  operators.show(table, (shown) => {
    if (shown === null) fail(STATUS.temporaryFailure, NOT_NOW);
    else if ("problem" in shown) fail(STATUS.notFound, shown.problem);
    else {
      const statistics = shown.rows.flatMap((row, index) =>
        Object.entries(row).map(([name, value]): [string, string] => [
          `${index}:${name}`,
          Buffer.from(`${value}`).toString("latin1"),
        ]),
      );
      done(encodeStatistics(statistics, opaque));
    }
  });
}
