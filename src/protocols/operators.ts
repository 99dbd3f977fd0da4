/** What the clients of a pool may ask about the proxy, where its `proxy_commands` allow it. */
import { SHOW_TABLE, type ShownTable } from "../api/inspection.ts";
import type { PoolHost } from "../api/protocol-module.ts";
import { SHOWN_TABLES_MAX } from "../base/limits.ts";

/** Told to a client that asks where it is not allowed. */
export const NOT_ALLOWED_TEXT =
  "the proxy answers this where the pool's configuration has proxy_commands: true";

export interface Operators {
  /** Now: it may change. */
  areAllowed(): boolean;
  /** `done` gets the table of this name; null: the supervisor did not answer in time. */
  show(table: string, done: (table: ShownTable | null) => void): void;
}

export function operatorsOf({ config, bus }: Pick<PoolHost, "config" | "bus">): Operators {
  /** By table: who waits for it. However many ask, each table is asked for once at a time. */
  const waiting = new Map<string, ((table: ShownTable | null) => void)[]>();
  return {
    areAllowed: () => config.proxyCommands === true,
    show(name, done) {
      const table = name.substring(0, NAME_CHARACTERS_MAX).toUpperCase();
      const others = waiting.get(table);
      if (others !== undefined) {
        others.push(done);
        return;
      }
      if (waiting.size >= SHOWN_TABLES_MAX) {
        done(null);
        return;
      }
      waiting.set(table, [done]);
      bus.query(SHOW_TABLE, { table }, ([answer]) => {
        const all = waiting.get(table) ?? [];
        waiting.delete(table);
        for (const one of all) one((answer as ShownTable | undefined) ?? null);
      });
    },
  };
}

const NAME_CHARACTERS_MAX = 32;
