/** Options of a pool that finds out who its servers are; docs/discovery.md says more. */
import { type Option, option } from "../api/option.ts";

const NATIVE: Pick<Option, "where" | "forms" | "instead"> = {
  where: "pool",
  forms: ["native"],
  instead: 'a native file, with the pool under "pools:"',
};

export const DISCOVERY_OPTIONS: readonly Option[] = [
  option({
    ...NATIVE,
    name: "discover",
    field: "discovery.text",
    type: { kind: "discovery" },
    help: "In place of `servers`: how they are found, `dns:NAME:PORT`, `srv:NAME`, `file:/PATH`, `endpoint:HOST:PORT` (`config get cluster`); or `names`, beside `servers`: their names are resolved again by their times to live. See discovery.md.",
  }),
  option({
    ...NATIVE,
    name: "discover_interval",
    field: "discovery.intervalMs",
    type: { kind: "duration", min: 1, max: 86_400_000, none: false },
    default: "30s",
    help: "Servers are looked for at least so often (at most once a second), sooner when a record lives shorter; and so often, at the most, servers leave.",
  }),
  option({
    ...NATIVE,
    name: "discover_resolver",
    field: "discovery.resolvers",
    type: { kind: "nodes" },
    help: "Name servers that are asked, by their IP addresses, `[127.0.0.1:8600]`; absent: those of the system.",
  }),
  option({
    ...NATIVE,
    name: "discover_remove",
    field: "discovery.removes",
    type: { kind: "choice", values: ["dead", "unlisted"] },
    default: "dead",
    help: "Which servers leave that are no longer found: those that cannot be connected, or all; at most a tenth of them at a time, and never the last one.",
  }),
  option({
    ...NATIVE,
    name: "discover_keep",
    field: "discovery.keep",
    type: { kind: "text" },
    help: "Path of a file in which the workers keep what was found last, for a start while the source is away.",
  }),
];
