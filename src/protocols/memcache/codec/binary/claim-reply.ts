/** Tells whether a reply is the one that was asked for. */
import { AT_BODY_LENGTH, AT_OPAQUE, AT_OPCODE, HEADER_BYTES } from "./opcode.ts";
import { readUint32, writeUint32 } from "./read-number.ts";

/**
 * Whether bytes[start, end), one reply or all of those to one STAT, are of this opcode and bear `mark` as their opaque;
 * if so, they get the client's opaque in its place.
 */
export function claimReply(
  bytes: Buffer,
  start: number,
  end: number,
  opcode: number,
  mark: number,
  opaque: number,
): boolean {
  for (let at = start; at < end; at += HEADER_BYTES + readUint32(bytes, at + AT_BODY_LENGTH)) {
    if (bytes[at + AT_OPCODE] !== opcode || readUint32(bytes, at + AT_OPAQUE) !== mark)
      return false;
    writeUint32(bytes, at + AT_OPAQUE, opaque);
  }
  return true;
}
