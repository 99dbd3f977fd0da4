/** Options of a pool whose clients have a server's connection each. */
import { type Option, type OptionSettings, option } from "../../api/option.ts";
import { choiceIn, durationIn } from "../../api/option-settings.ts";
import { INTEGER_MAX } from "../../base/limits.ts";

/** How the server of a new client is chosen. */
export type Balance = "least_connections" | "round_robin" | "source" | "random";
const BALANCES: readonly Balance[] = ["least_connections", "round_robin", "source", "random"];

export interface TcpOptions {
  readonly balance: Balance;
  /** A client is closed when for so many milliseconds nothing has come from either side; null: never. */
  readonly idleTimeoutMs: number | null;
}

const INSTEAD = 'a native file, which knows "protocol: tcp"';

export const TCP_OPTIONS: readonly Option[] = [
  option({
    name: "balance",
    where: "pool",
    forms: ["native"],
    instead: INSTEAD,
    type: { kind: "choice", values: BALANCES },
    default: "least_connections",
    help: "Which server a new client gets: the one with the `least_connections`, the next by `round_robin`, by `source` always the same one for clients of one address, or one at `random`. All honour the servers' weights.",
  }),
  option({
    name: "idle_timeout",
    where: "pool",
    forms: ["native"],
    instead: INSTEAD,
    type: { kind: "duration", min: 0, max: INTEGER_MAX, none: true },
    default: "none",
    help: "A client is closed, and its server's connection with it, when for so long neither has sent anything.",
  }),
];

/** Options of all pools that speak of keys, requests and shared connections. */
export const TCP_IGNORES: readonly string[] = [
  "hash",
  "hash_char",
  "hash_tag",
  "distribution",
  "timeout",
  "preconnect",
  "server_connections",
  "auto_eject_hosts",
  "server_failure_limit",
  "max_ejection_percent",
  "on_down",
  "first_byte_timeout",
  "queue_timeout",
  "server_queue",
  "client_idle_timeout",
  "request_timeout",
  "spares",
  "client_requests_per_second",
  "address_requests_per_second",
  "pool_requests_per_second",
  "proxy_commands",
  "slowlog",
  "slowlog_slowest",
  "hot_keys",
  "hot_keys_samples",
  "big_keys",
  "big_keys_elements",
];

export function readTcpOptions(settings: OptionSettings): TcpOptions {
  return {
    balance: choiceIn(settings, "balance", BALANCES),
    idleTimeoutMs: durationIn(settings, "idle_timeout"),
  };
}
