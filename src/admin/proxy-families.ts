/** Metrics of the proxy as a whole. */
import type { Config } from "../api/config.ts";
import type { AdminStatus } from "../api/control.ts";
import type { MigrationStatus } from "../api/control-socket.ts";
import type { ServerSweep } from "../api/migration.ts";
import { LEVER_KINDS } from "../api/steering.ts";
import { isDrained } from "../config/drained.ts";
import type { MetricFamily } from "./exposition.ts";

export interface Build {
  readonly version: string;
  readonly startedAtMs: number;
}

export function proxyFamilies(
  source: Build & { readonly config: Config },
  status: AdminStatus | null,
): MetricFamily[] {
  const gauge = (name: string, help: string, value: number): MetricFamily => ({
    ...{ name, help, type: "gauge", samples: [{ labels: {}, value }] },
  });
  const info: MetricFamily = {
    name: "proxy_build_info",
    help: "The running version; always 1.",
    type: "gauge",
    samples: [{ labels: { version: source.version, commit: status?.commit ?? "" }, value: 1 }],
  };
  const started = gauge(
    "proxy_start_time_seconds",
    "When the proxy was started, in seconds since 1970; upgrades do not change it.",
    source.startedAtMs / 1000,
  );
  const up = gauge(
    "proxy_supervisor_up",
    "Whether the supervisor answers the admin process.",
    status === null ? 0 : 1,
  );
  if (status === null) return [info, started, up];
  const serving = status.processes.filter(
    ({ role, state }) => role === "worker" && state === "serving",
  );
  return [
    info,
    started,
    up,
    gauge("proxy_workers", "Workers that serve.", serving.length),
    gauge("proxy_clients", "Client connections that are open now.", status.clients),
    gauge("proxy_generation", "Which generation of workers serves.", status.generation ?? 0),
    gauge("proxy_ready", "Whether the proxy is serving.", status.phase === "serving" ? 1 : 0),
    gauge(
      "proxy_settings_changed",
      "Values of the running proxy that are not the file's.",
      status.settings?.length ?? 0,
    ),
    ...leverFamilies(source.config, status),
    ...migrationFamilies(source.config, status),
  ];
}

/** What operators hold back. */
function leverFamilies({ pools }: Config, { levers = [] }: AdminStatus): MetricFamily[] {
  const kinds = [...new Set([...LEVER_KINDS, ...levers.map(({ kind }) => kind)])];
  const servers = pools.flatMap(({ name: pool, servers: listed }) =>
    listed.map(({ name, address }) => ({
      labels: { pool, server: name },
      value: isDrained(levers, { pool, name, address }) ? 1 : 0,
    })),
  );
  return [
    {
      name: "proxy_levers",
      help: "What operators hold back for a while, by kind.",
      type: "gauge",
      samples: kinds.map((kind) => ({
        labels: { kind },
        value: levers.filter((lever) => lever.kind === kind).length,
      })),
    },
    {
      name: "proxy_server_drained",
      help: "Whether an operator has drained the server.",
      type: "gauge",
      samples: servers,
    },
  ];
}

/** Pools whose keys move along when their servers change. Of what clients ask for meanwhile the pool itself counts. */
function migrationFamilies({ pools }: Config, { migrations = [] }: AdminStatus): MetricFamily[] {
  const family = (name: string, help: string, of: (one: MigrationStatus) => number) => ({
    ...{ name: `proxy_migration_${name}`, help, type: "gauge" as const },
    samples: pools.flatMap(({ name: pool, migrate }) => {
      const found = migrations.find((one) => one.pool === pool);
      const value = found === undefined ? 0 : of(found);
      return migrate === true || found !== undefined ? [{ labels: { pool }, value }] : [];
    }),
  });
  const sum =
    (pick: (server: ServerSweep) => number) =>
    ({ servers }: MigrationStatus): number =>
      servers.reduce((all, server) => all + pick(server), 0);
  return [
    family("active", "Whether keys move to other servers, or are about to.", ({ phase }) =>
      phase === "declined" ? 0 : 1,
    ),
    family(
      "servers_left",
      "Servers that may have keys which belong elsewhere.",
      ({ sources, swept, phase }) => (phase === "moving" ? sources - swept.length : 0),
    ),
    family(
      "keys",
      "Keys of the servers that the sweeper has begun with.",
      sum(({ keys }) => keys),
    ),
    family(
      "keys_seen",
      "Those of them that it has seen.",
      sum(({ seen }) => seen),
    ),
    family(
      "keys_swept",
      "Those that it has moved.",
      sum(({ found }) => found),
    ),
    family(
      "keys_failed",
      "Those that could not be moved so far.",
      sum(({ failed }) => failed),
    ),
    family("blocked", "Whether something is in the way.", ({ problem }) =>
      problem === null ? 0 : 1,
    ),
  ];
}
