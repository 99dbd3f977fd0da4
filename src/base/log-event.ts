/**
 * The name of what a line of the log tells, `event=`: it is the same whatever the words beside it are, and stays the same in later
 * versions, so that programs may look for it. docs/log-events.md lists all names.
 *
 * A line that does not say its name in a field `event` has it from its message: of what stands before the first colon. So only messages
 * that begin with what varies need the field.
 */

const CHARACTERS_MAX = 64;

/** "a client is lost: it came without its connection" → "client_is_lost" */
export function eventOf(message: string): string {
  const colon = message.indexOf(":");
  const words = (colon < 0 ? message : message.substring(0, colon)).toLowerCase();
  const name = words
    .replace(/^(an?|the) /, "")
    .replace(/'s\b/g, "")
    .replace(/[^a-z0-9]+/g, "_")
    .substring(0, CHARACTERS_MAX);
  return name.replace(/^_+|_+$/g, "") || "message";
}
