/** Which events are marks on the page's time axis. */
import type { ProxyEvent } from "../../api/control-socket.ts";
import type { Mark, MarkedEvent } from "../../api/overview.ts";

/** By how the texts of the log begin. */
const BEGINNINGS: readonly (readonly [RegExp, Mark])[] = [
  [/^ready (?!after)/, "start"],
  [/^reload done/, "reload"],
  [/^upgrade done/, "upgrade"],
  [/^ready after an upgrade/, "upgrade"],
  [/^(died|was not started)\b/, "death"],
  [/^server is ejected (?!no)/, "ejection"],
  [/^server is (in trouble|down)/, "ejection"],
  [/^a lever was (pulled|released)/, "lever"],
  [/^a lever's time is over/, "lever"],
  [/^a setting('s time is over| was (changed|taken back))/, "setting"],
];

export function marked(event: ProxyEvent): MarkedEvent {
  const found = BEGINNINGS.find(([beginning]) => beginning.test(event.text));
  return { ...event, mark: found?.[1] ?? null };
}
