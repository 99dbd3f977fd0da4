/** A command's refusal: the text of its error reply, code first ("ERR syntax error"). Thrown by handlers, caught by `execute`. */
export class CommandError extends Error {
  override readonly name = "CommandError";
}

export const WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value";
export const SYNTAX = "ERR syntax error";
export const NOT_INTEGER = "ERR value is not an integer or out of range";
export const NOT_FLOAT = "ERR value is not a valid float";
export const OUT_OF_RANGE = "ERR index out of range";
export const NO_SUCH_KEY = "ERR no such key";
export const OVERFLOW = "ERR increment or decrement would overflow";
export const NOT_FINITE = "ERR increment would produce NaN or Infinity";
export const NOT_POSITIVE = "ERR value is out of range, must be positive";
export const STRING_TOO_LONG = "ERR string exceeds maximum allowed size (proto-max-bulk-len)";
export const OUT_OF_MEMORY = "OOM command not allowed when used memory > 'maxmemory'.";

export function fail(text: string): never {
  throw new CommandError(text);
}

/** The error for a wrong number of arguments of `command` (lower case, `parent|child` for a subcommand). */
export function wrongArity(command: string): string {
  return `ERR wrong number of arguments for '${command}' command`;
}

/** What C's %s prints of a byte string: it ends at the first NUL. */
export function cText(text: string): string {
  const nul = text.indexOf("\0");
  return nul < 0 ? text : text.substring(0, nul);
}
