/** Help texts: made from the definitions of the commands, plus what only examples can teach. */
import type { ArgDef, ArgsDef } from "citty";
import { VERSION } from "../base/version.ts";
import { EXIT_CODE_TEXTS } from "./exit-codes.ts";
import { RUN_ARGS } from "./run-flags.ts";

export interface CommandHelp {
  readonly name: string;
  readonly description: string;
  readonly args: ArgsDef;
}

type Row = readonly [left: string, right: string];

const COLUMN_MAX = 30;

const EXAMPLES: Readonly<Record<string, readonly Row[]>> = {
  "": [
    ["proxy dev", "try it out now: Redis and Memcached servers in memory, a proxy before them"],
    ["proxy check -c proxy.yaml", "is the file right, and what does it come to?"],
    ["proxy -c proxy.yaml", "run in the foreground, log to stderr"],
    ["proxy -c nutcracker.yml", "a twemproxy file runs unchanged, and so do its flags"],
    ["proxy route -c proxy.yaml alpha user:1", "which server of pool alpha has user:1, and why"],
    ["proxy reload -c proxy.yaml", "after a change of the file; no connection is lost"],
  ],
  run: [
    ["proxy run -c proxy.yaml --workers 4", "four worker processes"],
    ["proxy -d -c nutcracker.yml -o proxy.log -p proxy.pid", "as a daemon"],
    ["kill -QUIT $(cat proxy.pid)", "finish what is in flight, then stop"],
  ],
  reload: [
    ["proxy reload -c proxy.yaml --dry-run", "what would change, and how many keys would move"],
    ["proxy reload -c proxy.yaml", "do it; a file with errors changes nothing"],
    ["kill -HUP $(cat proxy.pid)", "the same; errors go to the log"],
  ],
  upgrade: [
    ["proxy upgrade -c proxy.yaml", "the file that it was started from has been replaced"],
    ["proxy upgrade -c proxy.yaml /opt/proxy-2/proxy", "another file, also an older version"],
    ["kill -USR2 $(cat proxy.pid)", "like the first; errors go to the log"],
  ],
  stop: [
    ["proxy stop -c proxy.yaml", "at once: connections are closed"],
    ["proxy stop -c proxy.yaml --drain --timeout 10s", "replies that are owed first, for 10 s"],
  ],
  status: [
    ["proxy status -c proxy.yaml", "processes, versions, clients, and what died of what"],
    ["proxy status -c proxy.yaml --json", "the same for a program"],
  ],
  config: [
    ["proxy config get -c proxy.yaml", "all values, and which of them were set"],
    [
      "proxy config set main.timeout 300ms -c proxy.yaml --for 10m",
      "then the value before comes back",
    ],
    [
      "proxy config set log.level debug -c proxy.yaml",
      "until the next reload: the file is the truth then",
    ],
    [
      "proxy config set main.timeout 2s -c proxy.yaml --save",
      "also in the file, whose comments stay",
    ],
    ["proxy config diff -c proxy.yaml", "what runs and is not what the file says"],
  ],
  top: [
    ["proxy top -c proxy.yaml", "each second; n r e p m choose the order, q quits"],
    ["proxy top -c proxy.yaml --json --count 10", "ten lines of JSON for a program"],
  ],
  doctor: [
    ["proxy doctor -c proxy.yaml", "as the user that runs the proxy, on its machine"],
    ["proxy doctor --json", "the same for a program; without a file, the host alone"],
  ],
  stats: [
    ["proxy stats -c proxy.yaml --pool main", "what is not 0, with what it means"],
    ["proxy stats -c proxy.yaml --json", "all of it, for a program"],
  ],
  clients: [
    ["proxy clients -c proxy.yaml --sort sent", "who is sent the most"],
    ["proxy clients -c proxy.yaml --state unread --pool main", "who does not read"],
    ["proxy clients -c proxy.yaml --address 10.0.0.7: --json", "one machine's, for a program"],
  ],
  kick: [
    ["proxy kick 281474976710657 -c proxy.yaml", "the number is in proxy clients"],
    ["proxy kick 10.0.0.7:51234 -c proxy.yaml", "the client at that address"],
  ],
  latency: [
    ["proxy latency -c proxy.yaml", "percentiles since the proxy was started"],
    ["proxy latency -c proxy.yaml --for 10s", "of the next 10 seconds"],
  ],
  slowlog: [
    ["proxy slowlog -c proxy.yaml -n 50", "the last 50, oldest first"],
    ["proxy slowlog -c proxy.yaml -f --pool main", "and those that come"],
    [
      "proxy config set main.slowlog 2ms -c proxy.yaml --for 10m",
      "what counts as slow, for a while",
    ],
  ],
  hotkeys: [
    ["proxy hotkeys -c proxy.yaml", "of all pools, the busiest first"],
    ["proxy hotkeys main -n 5 --json", "the five busiest of one pool, for a program"],
  ],
  bigkeys: [
    ["proxy bigkeys main -c proxy.yaml", "the largest first"],
    ["proxy bigkeys --sort elements", "the longest collections first"],
  ],
  events: [
    ["proxy events -n 50", "the last 50, oldest first"],
    ["proxy events -f", "and those that come"],
  ],
  pause: [
    ["proxy pause main --at-most 5s", "while a server is replaced, say; clients see it as slow"],
  ],
  resume: [["proxy resume main", "its requests go on at once"]],
  readonly: [["proxy readonly main --for 30m", "reads go on"]],
  block: [
    ["proxy block 'DEL user:*' --for 10m", "in all pools; clients get an error that says so"],
    ["proxy block KEYS --pool main", "for 10 minutes"],
  ],
  release: [["proxy release 2", "the number is in proxy status"]],
  "log-level": [["proxy log-level debug --for 1m", "then the level before comes back"]],
  check: [
    ["proxy check -c proxy.yaml", "show pools, servers and their share of the keys"],
    ["proxy check -c proxy.yaml --json", "the same for a program"],
  ],
  route: [
    ["proxy route -c proxy.yaml alpha user:1 user:2", "where two keys of pool alpha go"],
    ["proxy route -c proxy.yaml alpha -- -key", "a key that begins with a dash"],
  ],
  module: [
    ["proxy module init deny", "deny.ts, a filter to begin with"],
    ["proxy module init kv --protocol", "kv.ts, a protocol to begin with"],
    ["proxy module test deny.cases.ts", "its cases: whole, byte by byte, with hand-overs"],
  ],
  dev: [["proxy dev", "then, in another terminal: redis-cli -p 22121 set a 1"]],
};

const SIGNALS: readonly Row[] = [
  ["TERM, INT", "stop at once"],
  ["QUIT", "accept no client, finish what is in flight, then stop"],
  ["HUP", "read the configuration again, as proxy reload does"],
  ["USR1", "open the log files again"],
  ["USR2", "go on as the executable that is there now, as proxy upgrade does"],
  ["WINCH", "drain the workers; new clients wait until HUP brings new workers"],
  ["TTIN, TTOU", "log more, log less"],
];

/** `proxy --help` */
export function mainHelp(commands: readonly CommandHelp[]): string {
  return [
    `proxy ${VERSION} stands between applications and their Redis and Memcached servers.`,
    "",
    "Usage: proxy [FLAGS]            run in the foreground, same as proxy run",
    "       proxy COMMAND [FLAGS]    see proxy COMMAND --help",
    ...section(
      "Commands",
      commands.map(({ name, description }): Row => [name, description]),
    ),
    ...section("Flags of run", flagRows(RUN_ARGS)),
    ...section("Signals", SIGNALS),
    ...section(
      "Exit codes",
      EXIT_CODE_TEXTS.map(([code, text]): Row => [String(code), text]),
    ),
    ...examples(""),
    "",
  ].join("\n");
}

/** `proxy COMMAND --help` */
export function commandHelp(command: CommandHelp): string {
  const { name, args } = command;
  const positionals = Object.entries(args).filter(([, arg]) => arg.type === "positional");
  const usage = positionals.map(([word, arg]) => {
    return arg.required === false ? ` [${word.toUpperCase()}]` : ` ${word.toUpperCase()}`;
  });
  return [
    `${command.description}.`.replace(/\.\.$/, "."),
    "",
    `Usage: proxy ${name} [FLAGS]${usage.join("")}`,
    ...section(
      "Arguments",
      positionals.map(([word, arg]): Row => [word.toUpperCase(), arg.description ?? ""]),
    ),
    ...section("Flags", flagRows(args)),
    ...(name === "run" ? section("Signals", SIGNALS) : []),
    ...examples(name),
    "",
  ].join("\n");
}

function examples(name: string): string[] {
  return section("Examples", EXAMPLES[name] ?? []);
}

function flagRows(args: ArgsDef): Row[] {
  const rows: Row[] = [];
  for (const [name, arg] of Object.entries(args)) {
    if (arg.type === "positional") continue;
    rows.push([flagNames(name, arg), arg.description ?? ""]);
    if (arg.type === "boolean" && arg.negativeDescription !== undefined) {
      rows.push([`    --no-${name}`, arg.negativeDescription]);
    }
  }
  rows.push(["-h, --help", "Print this help"]);
  return rows;
}

/** "-c, --config FILE"; a flag without a letter is indented like the others. */
function flagNames(name: string, arg: ArgDef): string {
  const aliases = "alias" in arg ? [arg.alias ?? []].flat() : [];
  const letter = aliases.find((alias) => alias.length === 1 && alias !== "?");
  const value = arg.type === "boolean" ? "" : ` ${arg.valueHint ?? "VALUE"}`;
  return `${letter === undefined ? "    " : `-${letter}, `}--${name}${value}`;
}

function section(title: string, rows: readonly Row[]): string[] {
  if (rows.length === 0) return [];
  const width = Math.max(...rows.map(([left]) => left.length).filter((n) => n <= COLUMN_MAX), 0);
  const lines = rows.map(([left, right]) =>
    left.length > width
      ? `  ${left}\n  ${" ".repeat(width)}  ${right}`
      : `  ${left.padEnd(width)}  ${right}`,
  );
  return ["", `${title}:`, ...lines];
}
