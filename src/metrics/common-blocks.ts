/** The blocks that every worker counts in, whatever its protocols are: they are laid out before it starts, so it need not ask for them. */
import type { Config, PoolConfig } from "../api/config.ts";
import {
  CLIENT_SIZES,
  COLLECTION_TIMES,
  FAMILY_NAMES,
  FAMILY_TIMES,
  LOOP_TIMES,
  SERVER_TIMES,
} from "../api/latency.ts";
import type { AnyMetricSet, Labels } from "../api/metrics.ts";
import { TIMED_SERVERS_MAX } from "../base/limits.ts";
import type { BlockWish } from "./directory.ts";

/** In a pool of more servers their times are not measured one by one. */
export function hasServerTimes({ servers }: Pick<PoolConfig, "servers">): boolean {
  return servers.length <= TIMED_SERVERS_MAX;
}

export function commonBlocks({ pools }: Pick<Config, "pools">): BlockWish[] {
  return [
    ...blocks(LOOP_TIMES, {}),
    ...blocks(COLLECTION_TIMES, {}),
    ...pools.flatMap((pool) => [
      ...FAMILY_NAMES.flatMap((family) => blocks(FAMILY_TIMES, { pool: pool.name, family })),
      ...blocks(CLIENT_SIZES, { pool: pool.name }),
      ...(hasServerTimes(pool) ? pool.servers : []).flatMap(({ name }) =>
        blocks(SERVER_TIMES, { pool: pool.name, server: name }),
      ),
    ]),
  ];
}

function blocks({ schema, histograms }: AnyMetricSet, labels: Labels): BlockWish[] {
  return [schema, ...Object.values(histograms)]
    .filter(({ rows }) => rows.length > 0)
    .map((schema) => ({ schema, labels }));
}
