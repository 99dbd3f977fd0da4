/** `proxy status`: what runs, since when, in which version, and what died of what. */
import { type CommandDef, defineCommand } from "citty";
import { type ProcessStatus, processLabel, type Status } from "../api/control-socket.ts";
import type { TroubleKind } from "../api/stats.ts";
import { userText } from "../os/accounts.ts";
import { askStatus } from "./ask-status.ts";
import { CONTROL_ARGS, report } from "./control-client.ts";
import { formatAge } from "./figures.ts";
import { leverText } from "./levers.ts";
import { settingLine } from "./settings-text.ts";
import { formatTable } from "./table.ts";

export const statusCommand: CommandDef<typeof CONTROL_ARGS> = defineCommand({
  meta: { name: "status", description: "Show the processes of the running proxy and their state" },
  args: CONTROL_ARGS,
  async run({ args }): Promise<number> {
    return report(await askStatus(args), args.json, (result) =>
      result.verb === "status" ? statusText(result.status) : "",
    );
  },
});

function statusText(status: Status): string {
  const { lastChange } = status;
  const facts = [
    ["version", `${status.version} (commit ${status.commit})`],
    ["pid", `${status.pid}, started ${formatAge(status.uptimeMs)} ago`],
    ["state", phaseText(status)],
    ["file", status.configFile ?? "none"],
    ["listen", status.listen.join(" ")],
    ["clients", `${status.clients}`],
    ...engineLines(status),
    ...(status.activity === null ? [] : [["now", `${status.activity} is going on`]]),
    ...(lastChange === null ? [] : [[`last ${lastChange.what}`, changeText(status)]]),
    ...settingFacts(status),
    ...leverFacts(status),
    ...migrationFacts(status),
    ...hostFacts(status),
  ];
  const heading = ["process", "pid", "version", "generation", "state", "clients", "age", "died"];
  const rows = status.processes.map((process) => [
    processLabel(process),
    process.pid === null ? "-" : `${process.pid}`,
    process.version,
    `${process.crew}`,
    process.state,
    process.role === "worker" ? `${process.clients}` : "-",
    process.ageMs === null ? "-" : formatAge(process.ageMs),
    deaths(process),
  ]);
  const lines = [
    ...formatTable(facts, []),
    "",
    ...formatTable([heading, ...rows], [1, 3, 5, 6]),
    ...poolLines(status),
    ...troubleLines(status),
  ];
  return lines.map((line) => `${line}\n`).join("");
}

/** What runs and is not what the file says. */
function settingFacts({ settings = [] }: Status): string[][] {
  return settings.map((setting, index) => [
    index === 0 ? "not the file's" : "",
    `${setting.path} ${setting.text}, ${settingLine(setting)}`,
  ]);
}

/** What operators hold back. */
function leverFacts({ levers = [] }: Status): string[][] {
  return levers.map((lever) => [
    `lever ${lever.id}`,
    `${leverText(lever)}, by ${lever.by ?? (lever.uid < 0 ? "no user" : userText(lever.uid))}`,
  ]);
}

/** Keys that are not where the configuration says, or not all. */
function migrationFacts({ migrations = [] }: Status): string[][] {
  return migrations.map(({ pool, phase, problem }) => {
    const what = phase === "declined" ? "keys stay on other servers" : "keys move to other servers";
    const why = problem === null ? "" : `; in the way: ${problem}`;
    return [`pool ${pool}`, `${what} (proxy migration status ${pool})${why}`];
  });
}

/** Those that have the same servers, and agree on changes of them. */
function hostFacts({ hosts = null }: Status): string[][] {
  if (hosts === null) return [];
  const { id: own, problem, heardAgoMs } = hosts;
  const heard = heardAgoMs === null ? "never" : `${formatAge(heardAgoMs)} ago`;
  const lines = hosts.hosts.map(({ id, isHeard, isReady, holds }) => {
    const held = holds.length === 0 ? "" : `, holds requests of ${holds.join(", ")}`;
    const ready = isReady ? "ready" : "reloads, or has just started";
    return `${id}${id === own ? " (this one)" : ""}: ${isHeard ? ready : "nothing is heard of it"}${held}`;
  });
  const why = problem === null ? "" : `; in the way: ${problem}`;
  const all = [...lines, `etcd answered last ${heard}${why}`];
  return all.map((line, index) => [index === 0 ? "hosts" : "", line]);
}

/** What the workers' sockets are made of: as a rule one line. */
function engineLines({ processes }: Status): string[][] {
  const engines = processes.flatMap(({ engine }) =>
    engine === undefined || engine === null ? [] : [`${engine.name} (${engine.reason})`],
  );
  return [...new Set(engines)].map((engine) => ["engine", engine]);
}

/** Of the pools' figures those that tell at a glance what is wrong; `--json` has them all. */
function poolLines({ pools = [] }: Status): string[] {
  const heading = ["pool", "clients", "requests", "answered here", "failed", "malformed", "cut"];
  const rows = pools.map(({ name, counters }) => [
    name,
    ...[
      counters.client_connections,
      counters.requests,
      counters.local_requests,
      counters.forward_error,
      counters.protocol_errors,
      counters.client_output_cut,
    ].map(String),
  ]);
  return rows.length === 0 ? [] : ["", ...formatTable([heading, ...rows], [1, 2, 3, 4, 5, 6])];
}

const TROUBLES: Readonly<Record<TroubleKind, string>> = {
  refused: "no connection can be made",
  closed: "it closed a connection with requests on it",
  timeout: "no reply in time",
  handshake: "it refused what a connection begins with",
  garbage: "it sent a malformed reply",
  probe: "its health checks fail",
  signal: "it answers with errors of its state",
};

/** Servers that are down, or were when they were asked last; the log has the words of each failure. */
function troubleLines({ pools = [], processes }: Status): string[] {
  const workersOf = (pool: string): number => {
    const workers = processes.filter(({ role }) => role === "worker");
    const own = workers.filter((worker) => worker.pool === pool);
    return (own.length > 0 ? own : workers.filter((worker) => worker.pool === undefined)).length;
  };
  const heading = [
    "server in trouble",
    "pool",
    "state",
    "since",
    "in workers",
    "ejected by",
    "reason",
  ];
  const rows = pools.flatMap(({ name, servers }) =>
    servers.flatMap(({ name: server, trouble }) => {
      if (trouble == null) return [];
      const since = `${formatAge(Date.now() - trouble.sinceMs)} ago`;
      const reason = trouble.kind === null ? "see the log" : TROUBLES[trouble.kind];
      return [
        [
          server,
          name,
          trouble.state ?? "-",
          since,
          `${trouble.workers} of ${workersOf(name)}`,
          `${trouble.ejectedBy}`,
          reason,
        ],
      ];
    }),
  );
  return rows.length === 0 ? [] : ["", ...formatTable([heading, ...rows], [5])];
}

/** "serving for 5h" */
function phaseText({ phase, phaseSinceMs }: Status): string {
  if (phaseSinceMs === undefined) return phase;
  return `${phase} for ${formatAge(Date.now() - phaseSinceMs)}`;
}

function changeText({ lastChange }: Status): string {
  if (lastChange === null) return "";
  const ago = formatAge(Date.now() - lastChange.atMs);
  return lastChange.ok ? `ok, ${ago} ago` : `failed ${ago} ago: ${lastChange.problems.join("; ")}`;
}

/** "2 times, last 5m ago: was killed by SIGKILL" */
function deaths({ respawns, lastDeath }: ProcessStatus): string {
  if (lastDeath === null) return "never";
  const times = respawns === 1 ? "once" : `${respawns} times, last`;
  return `${times} ${formatAge(Date.now() - lastDeath.atMs)} ago: ${lastDeath.reason}`;
}
