/** THE table of options, without those of protocols. See api/option.ts for what a row says. */
import type { Form, Option, Where } from "../api/option.ts";
import type { ProtocolModule } from "../api/protocol-module.ts";
import { ETCD_OPTIONS } from "./options-etcd.ts";
import { POOL_OPTIONS, SERVER_OPTIONS } from "./options-pool.ts";
import { TOP_OPTIONS } from "./options-top.ts";
import { POOL_WORKER_OPTIONS } from "./options-workers.ts";

export const OPTIONS: readonly Option[] = [
  ...TOP_OPTIONS,
  ...ETCD_OPTIONS,
  ...POOL_OPTIONS,
  ...POOL_WORKER_OPTIONS,
  ...SERVER_OPTIONS,
];

/** Every option of one map, of whatever form. */
export function optionsAt(where: Where): readonly Option[] {
  return OPTIONS.filter((option) => option.where === where);
}

/** What a configuration has to know of a protocol. */
export type ProtocolOptions = Pick<
  ProtocolModule,
  | "name"
  | "options"
  | "ignores"
  | "needsServers"
  | "isFilterable"
  | "isRoutable"
  | "movesKeys"
  | "cutsKeys"
  | "sources"
>;

/** And of a filter. */
export type FilterOptions = Pick<ProtocolModule, "name" | "options">;

/**
 * Every option that a pool of any of these protocols may have, of whatever form.
 * @param own the protocol of the pool: of several rows with one name its row holds
 * @param hasSource the pool has one of its protocol's `sources` in place of servers
 */
export function poolOptions(
  protocols: readonly ProtocolOptions[],
  own: ProtocolOptions | null = null,
  hasSource = false,
): readonly Option[] {
  const rows = new Map<string, Option>();
  const ordered = own === null ? protocols : [...protocols, own];
  for (const { options } of ordered) for (const row of options) rows.set(row.name, row);
  const names = protocols.map(({ name }) => name);
  for (const row of optionsAt("pool")) {
    if (row.name === "protocol") {
      rows.set(row.name, { ...row, type: { kind: "choice", values: names } });
    } else if (row.name === "servers") {
      rows.set(row.name, { ...row, required: own?.needsServers !== false && !hasSource });
    } else rows.set(row.name, row);
  }
  return [...rows.values()];
}

/** The options that a file of this form may set in one map. */
export function optionsKnown(where: Where, form: Form): readonly Option[] {
  return optionsAt(where).filter((option) => option.forms.includes(form));
}
