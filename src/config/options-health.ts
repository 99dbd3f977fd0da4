/** Options of a pool that are about the health of its servers: how it is found out, and what becomes of keys of one that is down. */
import { type Option, option } from "../api/option.ts";
import { INTEGER_MAX } from "../base/limits.ts";

const INSTEAD = 'a native file, with the pool under "pools:"';

/** What becomes of the keys of a server that is down. */
export const DOWN_CHOICES = ["fail", "rehash", "spare"] as const;

export const HEALTH_OPTIONS: readonly Option[] = [
  option({
    name: "auto_eject_hosts",
    where: "pool",
    field: "autoEjectHosts",
    type: { kind: "boolean" },
    default: "false",
    help: "Take a server that keeps failing out of the ring, and back in later.",
  }),
  option({
    name: "server_retry_timeout",
    where: "pool",
    field: "serverRetryTimeoutMs",
    isLive: true,
    type: { kind: "duration", min: 0, max: INTEGER_MAX, none: false },
    default: "30s",
    help: "How long an ejected server stays out before it is tried again; with `protocol: tcp`, the most that one stays out which cannot be connected.",
  }),
  option({
    name: "server_failure_limit",
    where: "pool",
    field: "serverFailureLimit",
    isLive: true,
    type: { kind: "integer", min: 0, max: INTEGER_MAX },
    default: "2",
    help: "Failures in a row that eject a server; 0 acts as 1.",
  }),
  option({
    name: "max_ejection_percent",
    where: "pool",
    field: "maxEjectionPercent",
    isLive: true,
    type: { kind: "integer", min: 1, max: 100 },
    default: "50",
    help: "How many of the servers may be ejected at once, one at least: further ones that fail keep their keys, which get errors. 100: as in twemproxy, all keys go to the last server that works.",
  }),
  option({
    name: "health_check",
    where: "pool",
    field: "healthCheckMs",
    forms: ["native"],
    instead: INSTEAD,
    type: { kind: "duration", min: 0, max: INTEGER_MAX, none: true },
    default: "none",
    help: "One worker asks each server once in so long whether it serves (Redis: `PING`, Memcached: `version`, tcp: a connection), for all workers. One that does not is down: its requests fail at once, until it answers. `none`: only requests tell.",
  }),
  option({
    name: "health_check_timeout",
    where: "pool",
    field: "healthCheckTimeoutMs",
    isLive: true,
    forms: ["native"],
    instead: INSTEAD,
    type: { kind: "duration", min: 1, max: INTEGER_MAX, none: false },
    default: "1s",
    help: "How long such a question may take, connecting included.",
  }),
  option({
    name: "health_check_fall",
    where: "pool",
    field: "healthCheckFall",
    isLive: true,
    forms: ["native"],
    instead: INSTEAD,
    type: { kind: "integer", min: 1, max: 100 },
    default: "3",
    help: "A server is down when so many questions in a row have failed; after the first one it is suspect.",
  }),
  option({
    name: "health_check_rise",
    where: "pool",
    field: "healthCheckRise",
    isLive: true,
    forms: ["native"],
    instead: INSTEAD,
    type: { kind: "integer", min: 1, max: 100 },
    default: "2",
    help: "A server that is down is up again when it has answered so many in a row.",
  }),
  option({
    name: "on_down",
    where: "pool",
    field: "onDown",
    forms: ["native"],
    instead: '"auto_eject_hosts: true" for rehash',
    type: { kind: "choice", values: DOWN_CHOICES },
    help: "What becomes of the keys of a server that is down: requests for them `fail`, or go to the other servers (`rehash`, as with `auto_eject_hosts`), or to one of `spares` (`spare`). Absent: as `auto_eject_hosts` says.",
  }),
  option({
    name: "spares",
    where: "pool",
    forms: ["native"],
    instead: INSTEAD,
    type: { kind: "servers" },
    help: "Servers that stand in for those of `servers` that are down, with `on_down: spare`; written as those. They have no keys of their own.",
  }),
];
