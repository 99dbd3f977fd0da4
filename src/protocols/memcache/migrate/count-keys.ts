/** Answers operators how many keys the servers of a pool have, so that they know what a change of servers would move. */
import { KEY_COUNTS, type KeyCounts } from "../../../api/migration.ts";
import type { PoolHost } from "../../../api/protocol-module.ts";
import { readMigratePace } from "../../moved-keys.ts";
import { AskError, statisticsOf } from "./ask-server.ts";

export function answerKeyCounts({ bus, route, config }: PoolHost): void {
  bus.answerLater(KEY_COUNTS, (_data, answer) => {
    const { migrateRate } = readMigratePace(config.options);
    Promise.all(route.upstreams.map(statisticsOf)).then(
      (servers) => {
        const counts: KeyCounts = {
          keys: servers.reduce((all, { keys }) => all + keys, 0),
          bytes: servers.reduce((all, { bytes }) => all + bytes, 0),
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
