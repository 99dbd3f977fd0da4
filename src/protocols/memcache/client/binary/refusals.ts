/** Why the proxy answers a binary request itself instead of a server: in the order and the words of memcached. */
import { MEMCACHE_KEY_BYTES_MAX } from "../../../../base/limits.ts";
import {
  AT_BODY_LENGTH,
  AT_EXTRAS_LENGTH,
  AT_KEY_LENGTH,
  AT_OPCODE,
  isKnown,
  isWellFormed,
  OPCODE,
} from "../../codec/binary/opcode.ts";
import { readUint16, readUint32 } from "../../codec/binary/read-number.ts";
import {
  INVALID_ARGUMENTS_TEXT,
  STATUS,
  TOO_LARGE_TEXT,
  UNKNOWN_COMMAND_TEXT,
} from "../../codec/binary/status.ts";

export interface Refusal {
  readonly status: number;
  readonly text: string;
  /** The lengths do not make sense, so it is not known where the next request begins. False: behind the body. */
  readonly mustClose: boolean;
}

const BAD_LENGTHS: Refusal = {
  status: STATUS.unknownCommand,
  text: UNKNOWN_COMMAND_TEXT,
  mustClose: true,
};
const INVALID: Refusal = {
  status: STATUS.invalidArguments,
  text: INVALID_ARGUMENTS_TEXT,
  mustClose: true,
};
const UNKNOWN: Refusal = {
  status: STATUS.unknownCommand,
  text: UNKNOWN_COMMAND_TEXT,
  mustClose: false,
};
const TOO_LARGE: Refusal = { status: STATUS.tooLarge, text: TOO_LARGE_TEXT, mustClose: false };

/** What is wrong with the request whose header is at `at`; something must be. */
export function refusalOf(bytes: Buffer, at: number): Refusal {
  const opcode = bytes[at + AT_OPCODE]!;
  const keyLength = readUint16(bytes, at + AT_KEY_LENGTH);
  const extrasLength = bytes[at + AT_EXTRAS_LENGTH]!;
  const bodyLength = readUint32(bytes, at + AT_BODY_LENGTH);
  if (keyLength + extrasLength > bodyLength) return BAD_LENGTHS;
  if (keyLength > MEMCACHE_KEY_BYTES_MAX) return INVALID;
  // A memcached without SASL knows these opcodes, and says that it does not.
  if (opcode === OPCODE.saslList) return bodyLength === 0 ? UNKNOWN : INVALID;
  if (opcode === OPCODE.saslAuth || opcode === OPCODE.saslStep) {
    return extrasLength === 0 && keyLength > 0 ? UNKNOWN : INVALID;
  }
  if (!isKnown(opcode)) return UNKNOWN;
  if (!isWellFormed(opcode, keyLength, extrasLength, bodyLength)) return INVALID;
  return TOO_LARGE;
}
