/** Answers operators how many keys the servers of a pool have, so that they know what a change of servers would move. */
import { KEY_COUNTS, type KeyCounts } from "../../../api/migration.ts";
import type { PoolHost } from "../../../api/protocol-module.ts";
import { FIRST_KIND, type Upstream } from "../../../api/upstream.ts";
import { encodeRequest } from "../codec/encode.ts";
import { readRedisOptions } from "../options.ts";
import { AskError, askServer, keyspaceOf } from "./ask-server.ts";

export function answerKeyCounts({ bus, route, config }: PoolHost): void {
  bus.answerLater(KEY_COUNTS, (_data, answer) => {
    const { migrateRate } = readRedisOptions(config.options);
    const counted = Promise.all(route.upstreams.map(countKeys));
    counted.then(
      (servers) => {
        const sum = (pick: (one: ServerCount) => number): number =>
          servers.reduce((all, one) => all + pick(one), 0);
        const counts: KeyCounts = {
          ...{ keys: sum(({ keys }) => keys), bytes: sum(({ bytes }) => bytes) },
          keysPerSecond: migrateRate,
        };
        answer(counts);
      },
      (error: unknown) => {
        // Without all servers there is no estimate.
        if (!(error instanceof AskError)) throw error;
        answer(null);
      },
    );
  });
}

interface ServerCount {
  readonly keys: number;
  readonly bytes: number;
}

async function countKeys(server: Upstream): Promise<ServerCount> {
  const link = server.connection(0, FIRST_KIND);
  const keyspace = keyspaceOf(await askServer(link, encodeRequest("INFO", "keyspace")));
  const memory = await askServer(link, encodeRequest("INFO", "memory"));
  const text = Buffer.isBuffer(memory) ? memory.toString("latin1") : "";
  const bytes = Number(/^used_memory_dataset:(\d+)/m.exec(text)?.[1] ?? 0);
  return { keys: keyspace.reduce((all, [, keys]) => all + keys, 0), bytes };
}
