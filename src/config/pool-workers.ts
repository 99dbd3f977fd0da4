/** What a pool says of worker processes of its own. */
import type { Config, PoolWorkers } from "../api/config.ts";
import { optionsAt } from "./options.ts";
import { expectMap, readMap, type Scope, type Values } from "./scope.ts";
import { formatSize } from "./size.ts";

/** @param scope of the pool. @returns null: it has none, or the file is in error there */
export function readPoolWorkers(scope: Scope, values: Values): PoolWorkers | null {
  const node = values.node("workers");
  if (node === undefined) return null;
  const map = expectMap(scope, "workers", node, 'a map such as "{ own: 2 }"');
  if (map === null) return null;
  const errorsBefore = scope.problems.errorCount;
  const own = readMap(
    {
      ...{ ...scope, where: "workers", options: optionsAt("workers") },
      ...{ label: `${scope.label}workers: `, path: `${scope.path}workers.` },
    },
    map,
  );
  if (scope.problems.errorCount > errorsBefore) return null;
  const cpus = own.textOrNull("cpus");
  return {
    own: own.number("own"),
    cpus: cpus === null ? null : coresOf(cpus),
    clientMemoryBytes: own.numberOrNull("client_memory"),
  };
}

/** @param text "0,1,4", as the value of an option of cores is, "auto" or "off" */
export function coresOf(text: string): Config["affinity"] {
  return text === "auto" || text === "off" ? text : text.split(",").map(Number);
}

/** As a file would have it. */
export function poolWorkersText(workers: PoolWorkers | null | undefined): string {
  if (workers == null) return "shared";
  const { own, cpus, clientMemoryBytes } = workers;
  return [
    `${own} of its own`,
    ...(cpus === null ? [] : [`cpus ${typeof cpus === "string" ? cpus : cpus.join()}`]),
    ...(clientMemoryBytes === null ? [] : [`client_memory ${formatSize(clientMemoryBytes)}`]),
  ].join(", ");
}
