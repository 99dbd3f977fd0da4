/** What a binary reply says of its request, in numbers; the words are memcached's own. */
import { MEMCACHE_ERRORS } from "../../metrics.ts";

export const STATUS = {
  ok: 0x0000,
  notFound: 0x0001,
  exists: 0x0002,
  tooLarge: 0x0003,
  invalidArguments: 0x0004,
  notStored: 0x0005,
  notNumeric: 0x0006,
  unknownCommand: 0x0081,
  /** The proxy's: the server is not available, and trying again later may help. memcached itself never sends it. */
  temporaryFailure: 0x0086,
} as const;

export const NOT_FOUND_TEXT = "Not found";
export const TOO_LARGE_TEXT = "Too large.";
export const INVALID_ARGUMENTS_TEXT = "Invalid arguments";
export const UNKNOWN_COMMAND_TEXT = "Unknown command";

const NO_ERRORS: ReadonlySet<number> = new Set([
  ...[STATUS.ok, STATUS.notFound, STATUS.exists, STATUS.notStored],
]);
/** Also those about who the client is. */
const CLIENT_ERRORS: ReadonlySet<number> = new Set([
  ...[STATUS.tooLarge, STATUS.invalidArguments, STATUS.notNumeric, 0x08, 0x20, 0x21],
]);

/** Row of MEMCACHE_ERRORS of a reply with this status; -1: it is no error. */
export function errorOfStatus(status: number): number {
  const { ERROR, CLIENT_ERROR, SERVER_ERROR } = MEMCACHE_ERRORS.at;
  if (NO_ERRORS.has(status)) return -1;
  if (status === STATUS.unknownCommand) return ERROR;
  return CLIENT_ERRORS.has(status) ? CLIENT_ERROR : SERVER_ERROR;
}
