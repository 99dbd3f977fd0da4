/** Options of `workers` of a pool: the worker processes that it has for itself. */
import { type Option, option } from "../api/option.ts";
import { CLIENT_MEMORY_BYTES_MIN, WORKERS_MAX } from "../base/limits.ts";

export const POOL_WORKER_OPTIONS: readonly Option[] = [
  option({
    name: "own",
    where: "workers",
    field: "workers.own",
    type: { kind: "integer", min: 1, max: WORKERS_MAX },
    forms: ["native"],
    required: true,
    help: "How many there are, beside those of the top level's `workers`.",
  }),
  option({
    name: "cpus",
    where: "workers",
    field: "workers.cpus",
    type: { kind: "cores" },
    forms: ["native"],
    help: "CPU cores that they are pinned to, in turn; absent: as `affinity` says. With `affinity` the other workers can be kept off these.",
  }),
  option({
    name: "client_memory",
    where: "workers",
    field: "workers.clientMemoryBytes",
    type: { kind: "size", min: CLIENT_MEMORY_BYTES_MIN, auto: false },
    forms: ["native"],
    help: "What clients of all of them may take, as with `client_memory` of the top level; absent or `none`: each has an equal share of that one.",
  }),
];
