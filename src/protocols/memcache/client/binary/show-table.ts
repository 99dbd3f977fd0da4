/** STAT with the key `proxy TABLE`: a statistic for each value, named by the number of its row and its column. */
import type { ShownTable } from "../../../../api/inspection.ts";
import { type Operators, TableTexts } from "../../../operators.ts";
import { encodeReply, encodeStatistics } from "../../codec/binary/encode.ts";
import { AT_BODY_LENGTH, AT_OPAQUE, HEADER_BYTES, OPCODE } from "../../codec/binary/opcode.ts";
import { STATUS } from "../../codec/binary/status.ts";

const NOT_NOW = "the proxy's supervisor did not answer in time, or is older than this";

/** @param done gets the replies */
export function showTable(
  operators: Operators,
  table: string,
  opaque: number,
  done: (replies: Buffer) => void,
): void {
  operators.show(table, (shown) => {
    if (shown === null) done(refusal(STATUS.temporaryFailure, NOT_NOW, opaque));
    else done(withOpaque(texts.of(shown), opaque));
  });
}

const texts: TableTexts = new TableTexts(encoded);

/** With 0 as opaque. */
function encoded(table: ShownTable): Buffer {
  if ("problem" in table) return refusal(STATUS.notFound, table.problem, 0);
  const statistics = table.rows.flatMap((row, index) =>
    Object.entries(row).map(([name, value]): [string, string] => [
      `${index}:${name}`,
      Buffer.from(`${value}`).toString("latin1"),
    ]),
  );
  return encodeStatistics(statistics, 0);
}

function refusal(status: number, text: string, opaque: number): Buffer {
  return encodeReply(OPCODE.stat, status, opaque, Buffer.from(text).toString("latin1"));
}

/** A copy of `replies`, each with this opaque. */
function withOpaque(replies: Buffer, opaque: number): Buffer {
  const own = Buffer.from(replies);
  let at = 0;
  while (at < own.length) {
    own.writeUInt32BE(opaque >>> 0, at + AT_OPAQUE);
    at += HEADER_BYTES + own.readUInt32BE(at + AT_BODY_LENGTH);
  }
  return own;
}
