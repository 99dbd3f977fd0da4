/**
 * Writes docs/redis-commands.md: every command, and what becomes of it over one server and over many. Part of `npm run docs`.
 */
import { writeFileSync } from "node:fs";
import {
  type Command,
  DEFAULT_POLICY,
  type Disposition,
  type Merge,
} from "../../src/protocols/redis/commands/command.ts";
import { CommandTable } from "../../src/protocols/redis/commands/command-table.ts";
import { REDIS_VERSION } from "../../src/protocols/redis/commands/commands.generated.ts";

interface Fate {
  readonly one: string;
  readonly many: string;
}

const AS_REDIS = "passes";
const TOGETHER = "keys must be on one server, else `CROSSSLOT`";

const MERGED: Readonly<Record<Merge, string>> = {
  array: "values in the order of the keys",
  concat: "the replies' elements one after the other",
  all_ok: "the first server's reply when all agree, else the first error",
  one_ok: "the first that is no error, else the first error",
  sum: "the sum",
  min: "the least",
  max: "the greatest",
  and: "1 where all say 1",
  or: "1 where one says 1",
};

const FATES: Readonly<Record<Disposition, Fate>> = {
  key: { one: AS_REDIS, many: "goes to the server of its key" },
  keys: { one: AS_REDIS, many: TOGETHER },
  split: { one: AS_REDIS, many: "split by server" },
  any: { one: AS_REDIS, many: "goes to one server" },
  broadcast: { one: AS_REDIS, many: "goes to all servers" },
  blocking: {
    one: "passes, on a connection of its own",
    many: `on a connection of its own; ${TOGETHER}`,
  },
  transaction: {
    one: "passes, on a connection of its own",
    many: "on a connection to the server of the first key; other servers' keys give `CROSSSLOT`",
  },
  pubsub: {
    one: "over one connection for all clients of a worker",
    many: "subscribed on all servers, shard channels on the one that the name hashes to",
  },
  script: { one: AS_REDIS, many: "goes to all servers" },
  local: { one: "answered by the proxy", many: "answered by the proxy" },
  special: { one: AS_REDIS, many: "" },
  refused: { one: "refused", many: "refused" },
};

const REMEMBERED: Fate = {
  one: "passes, and is remembered",
  many: "goes to all servers, and is remembered",
};
const FORGOTTEN: Fate = {
  one: "passes, and what is remembered is forgotten",
  many: "goes to all servers, and what is remembered is forgotten",
};
const BESIDES: Fate = {
  one: "passes, on a connection of its own",
  many: "goes to all servers, on connections of its own; the reply of the one that runs something",
};

/** What the disposition does not tell. */
const NOTES: Readonly<Record<string, Partial<Fate>>> = {
  AUTH: { one: "checked by the server, or by the proxy with `redis_auth`", many: "as over one" },
  SELECT: { one: "passes; only 0 with `redis_db`", many: "as over one" },
  SCAN: { many: "walks one server after the other; the cursor says where it is" },
  RANDOMKEY: { many: "from one of the servers, by their number of keys" },
  INFO: {
    one: "passes; `INFO proxy` tells about the proxy",
    many: "what can be added up over the servers, and a section `proxy`",
  },
  "LATENCY|HISTOGRAM": { many: "the sums of all servers" },
  "SLOWLOG|GET": { many: "the newest entries of all servers" },
  WAIT: { one: "passes, on a connection of its own", many: "all servers; the least" },
  DISCARD: { many: "ends the transaction" },
  EXEC: { many: "runs what was queued on its one server" },
  UNWATCH: { many: "forgets the watched keys" },
  SORT: { many: `${TOGETHER}; BY and GET patterns with \`*\` are refused` },
  SORT_RO: { many: `${TOGETHER}; BY and GET patterns with \`*\` are refused` },
  XREAD: {
    one: "passes; with BLOCK on a connection of its own",
    many: `${TOGETHER}; BLOCK as over one`,
  },
  XREADGROUP: {
    one: "passes; with BLOCK on a connection of its own",
    many: `${TOGETHER}; BLOCK as over one`,
  },
  PUBLISH: { one: "passes", many: "to the server that the channel's name hashes to" },
  SPUBLISH: { one: "passes", many: "to the server that the channel's name hashes to" },
  "PUBSUB|CHANNELS": { one: "passes", many: "the channels of all servers" },
  "PUBSUB|SHARDCHANNELS": { one: "passes", many: "the channels of all servers" },
  "PUBSUB|NUMSUB": {
    one: "passes; clients are counted, not shared connections",
    many: "as over one",
  },
  "PUBSUB|SHARDNUMSUB": {
    one: "passes; clients are counted, not shared connections",
    many: "as over one",
  },
  "PUBSUB|NUMPAT": { one: "passes", many: "the most that one server has" },
  "PUBSUB|HELP": { one: "passes", many: "as over one" },
  "SCRIPT|LOAD": REMEMBERED,
  "SCRIPT|FLUSH": FORGOTTEN,
  "SCRIPT|EXISTS": { one: "passes; 1 also for what is remembered", many: "1 where all say 1" },
  "SCRIPT|KILL": BESIDES,
  "SCRIPT|HELP": { many: "goes to one server" },
  "FUNCTION|LOAD": REMEMBERED,
  "FUNCTION|RESTORE": REMEMBERED,
  "FUNCTION|DELETE": FORGOTTEN,
  "FUNCTION|FLUSH": FORGOTTEN,
  "FUNCTION|KILL": BESIDES,
  "FUNCTION|STATS": BESIDES,
  "FUNCTION|LIST": { many: "goes to one server" },
  "FUNCTION|DUMP": { many: "goes to one server" },
  "FUNCTION|HELP": { many: "goes to one server" },
  "CLIENT|TRACKING": { one: "`ON` is refused", many: "`ON` is refused" },
  "CLIENT|PAUSE": { one: "refused", many: "refused" },
  "CLIENT|UNPAUSE": { one: "refused", many: "refused" },
  "CLIENT|CACHING": { one: "refused", many: "refused" },
};

const SCRIPT_RUNS = /^(EVAL|EVALSHA|FCALL)(_RO)?$/;

export function createCommandsPage(): string {
  const overOne = new CommandTable({ ...DEFAULT_POLICY, isSharded: false });
  const commands = [...new CommandTable().commands].filter((command) => !isContainerOnly(command));
  commands.sort((a, b) => (a.name < b.name ? -1 : 1));
  const rows = commands.map((command) => {
    const { one } = fateOf(overOne.get(command.name)!);
    const { many } = fateOf(command);
    return `| \`${command.name.replace("|", " ")}\` | ${one} | ${many} |`;
  });
  return `# Redis commands

Generated from the table that the proxy works by (\`npm run docs\`); do not edit. What is behind it is told in
[redis.md](redis.md).

These are the commands of Redis ${REDIS_VERSION}. One that is not here (a module's, a newer server's) is looked up on the server
when it is first used: with keys it goes where they are; without, it passes to the one server of a pool, and over many it is
refused unless the server says how to spread it, or \`allow_commands\` names it. \`allow_commands\` also lets what is refused
below as harmful pass (not what takes a whole connection), and \`deny_commands\` refuses what would pass.

| Command | One server | Many servers |
|---|---|---|
${rows.join("\n")}
`;
}

/** COMMAND alone is a command, too; the others are nothing without a subcommand. */
function isContainerOnly({ name, isContainer }: Command): boolean {
  return isContainer && name !== "COMMAND";
}

function fateOf(command: Command): Fate {
  const { name, disposition, merge, refusal } = command;
  const fate = { ...FATES[disposition] };
  if (disposition === "refused") fate.one = fate.many = `refused: ${reasonOf(command, refusal)}`;
  if (disposition === "split" && merge !== null) fate.many += `; ${MERGED[merge]}`;
  if (disposition === "broadcast" && merge !== null) fate.many += `; ${MERGED[merge]}`;
  if (SCRIPT_RUNS.test(name)) fate.many = `${TOGETHER}; without keys to one server`;
  return { ...fate, ...NOTES[name] };
}

/** The refusal without the command's name, which stands in the first column. */
function reasonOf({ name }: Command, refusal: string): string {
  const shown = `'${name.replace("|", " ")}' `;
  return refusal.startsWith(shown) ? refusal.substring(shown.length) : refusal;
}

if (import.meta.main) {
  writeFileSync(new URL("../../docs/redis-commands.md", import.meta.url), createCommandsPage());
}
