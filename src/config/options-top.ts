/** Options outside the pools. Only the native form has them; twemproxy takes them from the command line. */
import type { AcceptMode } from "../api/config.ts";
import { type Form, type Option, option } from "../api/option.ts";
import { WORKERS_MAX } from "../base/limits.ts";

export const ACCEPT_MODES: readonly AcceptMode[] = ["reuseport", "shared", "mutex", "dispatch"];

const NATIVE: readonly Form[] = ["native"];
const DURATION_MAX_MS = 2_147_483_647;

export const TOP_OPTIONS: readonly Option[] = [
  option({
    name: "workers",
    where: "top",
    type: { kind: "count", min: 1, max: WORKERS_MAX },
    forms: NATIVE,
    default: "auto",
    help: "Worker processes; `auto` is one per usable CPU core.",
  }),
  option({
    name: "accept",
    where: "top",
    type: { kind: "choice", values: ACCEPT_MODES },
    forms: NATIVE,
    default: "reuseport",
    help: "How workers come by clients: a SO_REUSEPORT socket each, one socket for all (`shared`; by turns: `mutex`), or a process that deals them out (`dispatch`). See accept-modes.md.",
    instead: '"reuseport: true" or "reuseport: false" in a pool',
  }),
  option({
    name: "affinity",
    where: "top",
    type: { kind: "cores" },
    forms: NATIVE,
    default: "off",
    help: "CPU cores that workers are pinned to, in the order of their numbers; `auto`: the usable ones in turn.",
  }),
  option({
    name: "rlimit_nofile",
    where: "top",
    type: { kind: "integer", min: 64, max: 1_073_741_816 },
    forms: NATIVE,
    help: "The limit of open files is raised to this; beyond the hard limit that takes root. Never lowered.",
  }),
  option({
    name: "user",
    where: "top",
    type: { kind: "text" },
    forms: NATIVE,
    help: "User that workers and the admin process become once the sockets are open. The supervisor must be root and stays it.",
  }),
  option({
    name: "group",
    where: "top",
    type: { kind: "text" },
    forms: NATIVE,
    help: "Group that they become members of; unset: the user's own groups.",
  }),
  option({
    name: "log",
    where: "top",
    type: { kind: "group" },
    forms: NATIVE,
    help: "Where log lines go, and which.",
  }),
  option({
    name: "level",
    where: "log",
    type: { kind: "choice", values: ["error", "warn", "info", "debug"] },
    forms: NATIVE,
    default: "info",
    help: "The least severe lines that are written.",
  }),
  option({
    name: "file",
    where: "log",
    type: { kind: "text" },
    forms: NATIVE,
    help: "File that log lines are appended to; absent: stderr.",
  }),
  option({
    name: "pid_file",
    where: "top",
    type: { kind: "text" },
    forms: NATIVE,
    help: "File that holds the supervisor's process id while it runs.",
  }),
  option({
    name: "control",
    where: "top",
    type: { kind: "text" },
    forms: NATIVE,
    help: "Path of the unix socket for `proxy status`, `reload`, `upgrade` and `stop`; absent: made from the file's own path.",
    instead: "--control PATH on the command line",
  }),
  option({
    name: "rebalance",
    where: "top",
    type: { kind: "boolean" },
    forms: NATIVE,
    default: "true",
    help: "Moves idle client connections from the fullest worker to the emptiest when they are unevenly spread.",
  }),
  option({
    name: "stats",
    where: "top",
    type: { kind: "group" },
    forms: NATIVE,
    help: "The text statistics port (twemproxy's JSON).",
  }),
  option({
    name: "listen",
    where: "stats",
    type: { kind: "listen", none: true },
    forms: NATIVE,
    default: { native: "none", twemproxy: "0.0.0.0:22222" },
    help: "Address of the statistics port; `none`: off. A twemproxy file has it at 0.0.0.0:22222, as nutcracker.",
  }),
  option({
    name: "interval",
    where: "stats",
    type: { kind: "duration", min: 0, max: DURATION_MAX_MS, none: true },
    forms: NATIVE,
    default: "none",
    help: "The figures of the statistics port are taken anew when they are this old, for all who look meanwhile; `none`: for each who looks.",
  }),
  option({
    name: "drain_timeout",
    where: "top",
    type: { kind: "duration", min: 0, max: DURATION_MAX_MS, none: false },
    forms: NATIVE,
    default: "30s",
    help: "How long a drain may wait for clients before it closes what is left.",
  }),
  option({
    name: "modules",
    where: "top",
    type: { kind: "modules" },
    forms: NATIVE,
    help: "Files (TypeScript or JavaScript; relative to this file) with protocols and filters that are not built in, see modules.md. Only root and the user that starts the proxy may be able to change them.",
  }),
  option({
    name: "pools",
    where: "top",
    type: { kind: "pools" },
    forms: NATIVE,
    required: true,
    help: "Pool name → its options. Its presence makes the file a native one.",
  }),
];
