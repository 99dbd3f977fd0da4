/** What the clients of a pool may ask about the proxy, where its `proxy_commands` allow it. */
import { SHOW_TABLE, type ShownTable } from "../api/inspection.ts";
import type { PoolHost } from "../api/protocol-module.ts";
import { SHOWN_TABLES_MAX, TABLES_TOLD_AT_ONCE } from "../base/limits.ts";
import { portions, SliceQueue } from "../base/slice-queue.ts";

/** Told to a client that asks where it is not allowed. */
export const NOT_ALLOWED_TEXT =
  "the proxy answers this where the pool's configuration has proxy_commands: true";

export interface Operators {
  /** Now: it may change. */
  areAllowed(): boolean;
  /**
   * `done` gets the table of this name, and all who wait for it get the same object; null: the supervisor did not answer in time.
   * To be asked once at a time by each client.
   */
  show(table: string, done: (table: ShownTable | null) => void): void;
}

type Done = (table: ShownTable | null) => void;

export function operatorsOf({
  config,
  bus,
  turn,
}: Pick<PoolHost, "config" | "bus" | "turn">): Operators {
  /** By table: who waits for it. However many ask, each table is asked for once at a time. */
  const waiting = new Map<string, Done[]>();
  const slices = new SliceQueue(turn);
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
        const shown = (answer as ShownTable | undefined) ?? null;
        slices.run(portions(all, TABLES_TOLD_AT_ONCE, (one) => one(shown)));
      });
    },
  };
}

const NAME_CHARACTERS_MAX = 64;

/** The text of a table, made at the first time: all who get the table get the same bytes, which never change. */
export class TableTexts {
  private readonly texts: WeakMap<ShownTable, Buffer> = new WeakMap();
  private readonly encode: (table: ShownTable) => Buffer;

  constructor(encode: (table: ShownTable) => Buffer) {
    this.encode = encode;
  }

  of(table: ShownTable): Buffer {
    const known = this.texts.get(table);
    if (known !== undefined) return known;
    const text = this.encode(table);
    this.texts.set(table, text);
    return text;
  }
}
