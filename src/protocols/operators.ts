/** What the clients of a pool may ask about the proxy, where its `proxy_commands` allow it. */
import { SHOW_TABLE, type ShownTable } from "../api/inspection.ts";
import type { PoolHost } from "../api/protocol-module.ts";

export interface Operators {
  /** Now: it may change. */
  areAllowed(): boolean;
  /** `done` gets the table of this name; null: the supervisor did not answer in time. */
  show(table: string, done: (table: ShownTable | null) => void): void;
}

export function operatorsOf({ config, bus }: Pick<PoolHost, "config" | "bus">): Operators {
  return {
    areAllowed: () => config.proxyCommands === true,
    show(table, done) {
      bus.query(SHOW_TABLE, { table: table.substring(0, NAME_CHARACTERS_MAX) }, ([answer]) =>
        done((answer as ShownTable | undefined) ?? null),
      );
    },
  };
}

const NAME_CHARACTERS_MAX = 32;
