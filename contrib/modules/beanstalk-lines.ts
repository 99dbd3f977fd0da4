/** What lines of beanstalkd's protocol look like, and how replies of several servers become one. */
import type { Bytes, Reply, Server } from "proxy/module";

/** The id of a job for clients is the server's own one times this, and the server's number. */
export const NUMBERS = 1_048_576n;

const TUBE = "[A-Za-z0-9+/;.$_()][-A-Za-z0-9+/;.$_()]{0,199}";
const ARGUMENTS: Readonly<Record<string, RegExp>> = {
  ...by(/^$/, "reserve", "peek-ready", "peek-delayed", "peek-buried", "stats", "quit"),
  ...by(/^$/, "list-tubes", "list-tube-used", "list-tubes-watched"),
  ...by(/^ \d{1,18}$/, "delete", "touch", "peek", "kick-job", "stats-job", "reserve-job"),
  ...by(/^ \d{1,9}$/, "kick", "reserve-with-timeout"),
  ...by(new RegExp(`^ ${TUBE}$`), "use", "watch", "ignore", "stats-tube"),
  ...by(new RegExp(`^ ${TUBE} \\d{1,9}$`), "pause-tube"),
  ...by(/^ \d{1,18} \d{1,10} \d{1,9}$/, "release"),
  ...by(/^ \d{1,18} \d{1,10}$/, "bury"),
};

function by(pattern: RegExp, ...commands: string[]): Record<string, RegExp> {
  return Object.fromEntries(commands.map((command) => [command, pattern]));
}

/** What beanstalkd would say to a line that is not right; null: it is. What it might read otherwise than the proxy goes to no server. */
export function faultOf(text: string): string | null {
  const [command = ""] = text.split(" ", 1);
  if (command === "put") return jobBytes(text) > 0 ? null : "BAD_FORMAT\r\n";
  if (!Object.hasOwn(ARGUMENTS, command)) return "UNKNOWN_COMMAND\r\n";
  if (ARGUMENTS[command]!.test(text.slice(command.length))) return null;
  return text === command ? "UNKNOWN_COMMAND\r\n" : "BAD_FORMAT\r\n";
}

/** Bytes behind the line of a `put`, with CR LF; 0: it is not a right one. */
export function jobBytes(text: string): number {
  const numbers = /^put (\d+) (\d+) (\d+) (\d+)$/.exec(text)?.slice(1).map(Number) ?? [];
  return numbers.length > 0 && numbers.every((one) => one < 2 ** 32) ? numbers[3]! + 2 : 0;
}

/** Bytes behind the line of a reply, with CR LF. */
export function replyBytes(text: string): number {
  const size = /^(?:(?:RESERVED|FOUND) \d+|OK) (\d+)$/.exec(text)?.[1];
  return size === undefined ? 0 : Number(size) + 2;
}

/** The reply that is a list of `rows`. */
export function listOf(rows: readonly string[]): string {
  const text = ["---", ...rows, ""].join("\n");
  return `OK ${text.length}\r\n${text}\r\n`;
}

export function rowsOf({ bodyText }: Reply): string[] {
  return bodyText.trimEnd().split("\n").slice(1);
}

export const outerId = (id: string, { number }: Server) =>
  `${BigInt(id) * NUMBERS + BigInt(number)}`;

/** A server's reply with the proxy's id of the job in place of the server's own. */
export function outward(reply: Reply): Bytes {
  const rename = (_: string, word: string, id: string) => word + outerId(id, reply.server);
  if (reply.word(0) === "OK") {
    return listOf(rowsOf(reply).map((row) => row.replace(/^(id: )(\d+)$/, rename)));
  }
  const line = reply.text.replace(/^((?:INSERTED|BURIED|RESERVED|FOUND) )(\d+)/, rename);
  return `${line}\r\n${reply.bodyText}`;
}

/** Of replies of all servers the first that begins with `word`; if none does, any. */
export const first = (word: string) => (replies: readonly Reply[]) =>
  outward(replies.find((reply) => reply.word(0) === word) ?? replies[0]!);

/** Not added up over servers. */
const OF_ONE = /^(pid|uptime|version|max-job-size|pause|pause-time-left)$/;

/** Lists of several servers become one, and their numbers are added up. */
export function merge(replies: readonly Reply[]): Bytes {
  const merged = new Map<string, string>();
  const lists = replies.filter((reply) => reply.word(0) === "OK");
  if (lists.length === 0) return replies[0]!.bytes;
  for (const row of lists.flatMap(rowsOf)) {
    const [, key = row, value = ""] = /^([\w-]+): (.*)$/.exec(row) ?? [];
    const before = merged.get(key);
    if (before === undefined) merged.set(key, value);
    else if (/^\d+$/.test(value) && !OF_ONE.test(key)) merged.set(key, `${+before + +value}`);
  }
  return listOf([...merged].map(([key, value]) => (value === "" ? key : `${key}: ${value}`)));
}
