/** The reference page of the configuration file, `docs/config.md`, made from the table of options. */
import type { Form, Option, OptionType, Where } from "../api/option.ts";
import { DEFAULT_CONFIG_FILES, MINIMAL_CONFIG } from "./find-config.ts";
import { optionsAt, type ProtocolOptions, poolOptions } from "./options.ts";
import { formatSize } from "./size.ts";

/** The page's whole text. @param protocols those that are built in */
export function createReference(protocols: readonly ProtocolOptions[]): string {
  const general = new Set(optionsAt("pool").map(({ name }) => name));
  const sections = SECTIONS.map((row) => {
    if (row.where !== "pool") return section(row, optionsAt(row.where));
    const pool = poolOptions(protocols).filter(({ name }) => general.has(name));
    return [section(row, pool), ...protocols.map(protocolSection)].join("\n");
  });
  return [INTRODUCTION, ...sections, SHARED, CLOSING].join("\n");
}

function protocolSection({ name, options }: ProtocolOptions): string {
  const forms =
    name === "redis" ? " (`redis: true`)" : name === "memcache" ? " (`redis: false`)" : "";
  const title = `Pool with \`protocol: ${name}\``;
  if (options.length === 0) return `### ${title}\n\nIt has no options of its own.\n`;
  return `#${section({ title, text: `Beside the options of every pool${forms}.` }, options)}`;
}

interface Section {
  readonly where: Where;
  readonly title: string;
  readonly text: string;
}

const SECTIONS: readonly Section[] = [
  {
    where: "top",
    title: "Top level",
    text: "Native form only. A twemproxy file takes the defaults; nutcracker's command-line flags override them.",
  },
  { where: "log", title: "`log`", text: "Native form only." },
  { where: "stats", title: "`stats`", text: "Native form only." },
  {
    where: "admin",
    title: "`admin`",
    text: "Native form only. What is served there is told in [observing.md](observing.md).",
  },
  {
    where: "pool",
    title: "Pool",
    text: "The keys of one pool, in both forms where the column *Form* is empty.",
  },
  {
    where: "workers",
    title: "`workers` of a pool",
    text: "Native form only: `workers: { own: 2, cpus: [3] }`.",
  },
  {
    where: "server",
    title: "Server as a map",
    text: "Native form only: `{ address: 10.0.0.1:6379, weight: 2, name: cache1 }` is `10.0.0.1:6379:2 cache1`.",
  },
];

function section(
  { title, text }: Pick<Section, "title" | "text">,
  options: readonly Option[],
): string {
  const hasForms = options.some((option) => option.forms.length !== options[0]?.forms.length);
  const heading = ["Key", "Value", "Default", ...(hasForms ? ["Form"] : []), "Meaning"];
  const rows = options.map((option) => [
    `\`${option.name}\``,
    describeType(option.type),
    describeDefault(option),
    ...(hasForms ? [option.forms.length === 1 ? (option.forms[0] ?? "") : ""] : []),
    `${option.help.replaceAll("|", "\\|")}${option.isLive ? " *Live.*" : ""}`,
  ]);
  const lines = [heading, heading.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`);
  return [`## ${title}`, "", text, "", ...lines, ""].join("\n");
}

function describeType(type: OptionType): string {
  switch (type.kind) {
    case "integer":
      return `${type.min} … ${type.max}`;
    case "count":
      return `\`auto\` or ${type.min} … ${type.max}`;
    case "duration":
      return `duration${type.min > 0 ? ` ≥ ${type.min}ms` : ""}${type.none ? " or `none`" : ""}`;
    case "boolean":
      return "`true` or `false`";
    case "choice":
      return type.values.map((value) => `\`${value}\``).join(", ");
    case "text":
      return "text";
    case "discovery":
      return "a source";
    case "pair":
      return "two ASCII characters";
    case "listen":
      return `address${type.none ? " or `none`" : ""}`;
    case "server_address":
      return "address";
    case "commands":
      return "a list of commands";
    case "nodes":
      return "list of addresses";
    case "networks":
      return "list of addresses and networks";
    case "names":
      return "list of names";
    case "urls":
      return "list of addresses";
    case "texts":
      return "a list of texts";
    case "size":
      return `${type.auto ? "`auto`, " : ""}\`none\`, or a size of at least \`${formatSize(type.min)}\``;
    case "cores":
      return "`auto`, `off`, or a list of CPU cores";
    case "zones":
      return "map of lists of addresses, networks and host names";
    case "group":
      return "map, see below";
    case "pools":
      return "map of pools";
    case "route":
      return "a tree of pools, see routes.md";
    case "servers":
    case "modules":
    case "filters":
      return "list";
  }
}

function describeDefault(option: Option): string {
  if (option.required) return "required";
  if (option.type.kind === "group") return "";
  if (option.type.kind === "modules" || option.type.kind === "filters") return "none";
  const shown = (form: Form): string => {
    const text = option.default[form];
    return text === null ? "unset" : `\`${text}\``;
  };
  // Where an option can only be written in one form, the other form's default still is what holds there.
  const isWritableInOne = option.where === "pool" && option.forms.length === 1;
  const form = option.forms[0] ?? "native";
  if (isWritableInOne || option.default.native === option.default.twemproxy) return shown(form);
  return `${shown("native")}; twemproxy form: ${shown("twemproxy")}`;
}

const INTRODUCTION = `# Configuration file

<!-- Made by \`npm run docs\` from src/config/options*.ts and src/protocols/*/options.ts. Do not edit. -->

One YAML file. Without \`-c FILE\` the first of these is read: ${DEFAULT_CONFIG_FILES.map((file) => `\`${file}\``).join(", ")}.
\`proxy check -c FILE\` says everything that is wrong with a file, with line and column, or shows what it comes to.
\`proxy route -c FILE POOL KEY…\` shows which server a key goes to, and why.

A reload (\`proxy reload\`, or SIGHUP) or an upgrade puts a change of any option into effect, for clients that are connected, too; none
is disconnected, but those of a pool that is gone. \`proxy reload --dry-run\` shows what would change. Flags of the command line stay
what they were at the start, and go before the file. Options marked *Live* also change at once, without new workers:
\`proxy config set main.timeout 300ms\` ([operations.md](operations.md#values-of-the-running-proxy)).

There are two forms.

**Native**: pools stand under \`pools:\`, beside the options of the process. The least that works:

\`\`\`yaml
${MINIMAL_CONFIG}\`\`\`

**twemproxy**: every key of the top level is a pool. A \`nutcracker.yml\` runs unchanged: every key has nutcracker's
meaning and default, and every cached key stays on its server.

\`\`\`yaml
alpha:
  listen: 127.0.0.1:22121
  hash: fnv1a_64
  distribution: ketama
  redis: true
  servers:
   - 127.0.0.1:6379:1 server1
   - 127.0.0.1:6380:1 server2
\`\`\`

Values:

- A **duration** is a number of milliseconds, or a number with a unit: \`400ms\`, \`1.5s\`, \`2m\`, \`1h\`.
- An **address** is \`host:port\`, \`[ipv6]:port\` or \`/path\` of a unix socket.
- Only \`true\` and \`false\` are booleans. Quotes around a value never matter, except that YAML needs them around
  one that begins with \`{\`, \`[\`, \`*\` or the like: \`hash_tag: "{}"\`, \`listen: "*:22121"\`.
`;

const SHARED = `## Options that several pools share

YAML's anchors and merge keys work in both forms: \`&name\` gives a part of the file a name, \`*name\` stands for it, and \`<<: *name\`
puts its options into a pool, beneath those that the pool has of its own. \`<<: [*one, *other]\` merges several; the first that has an
option wins.

\`\`\`yaml
defaults: &defaults
  redis: true
  timeout: 400
  servers:
   - 127.0.0.1:6379:1
alpha:
  <<: *defaults
  listen: 127.0.0.1:22121
beta:
  <<: *defaults
  listen: 127.0.0.1:22122
  timeout: 1s
\`\`\`

What only holds such options is no pool, nor an unknown key: an entry at the top level, or beside the pools, that has no \`listen\`,
and either an anchor that something refers to, as \`defaults\` here, or a name that begins with \`x-\`. With a \`listen\` it is a pool,
whose options others may share. nutcracker reads neither anchors nor merge keys: it refuses such a file.
`;

const CLOSING = `## Placement of keys

Servers are put in twemproxy's order: by name, shorter names first, then bytewise. A server without a name is called
\`host:port\` as written, or just \`host\` when the port is 11211, or \`/path:\` (with the colon) for a unix socket. The ring hashes
these names, so a server that moves to a new address keeps its keys only if it has a name.

Of the hashes, \`crc32\` yields only 15 bits: with \`ketama\` one server gets nearly all keys. \`xxh64\` spreads best. \`crc16_slot\` is the
CRC-16 of Redis Cluster.

## Differences from nutcracker 0.5.0

- \`client_connections\` takes effect. nutcracker reads it and ignores it; a warning says so.
- \`timeout: 0\` is no limit in both. Connecting to a server is bounded by \`connect_timeout\` as well.
- \`reuseport\` (known to nutcracker's development version only) holds for all pools.
- Flow style, anchors, merge keys, comments anywhere, \`*:port\` and bracketed IPv6 addresses are read too.
- A \`-1\`, an octal mode with a digit above 7 and a number out of bounds are errors instead of something else.
`;
