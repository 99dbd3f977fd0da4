/** Where the histograms of a pool and its servers are in this worker. */
import { CLIENT_SIZES, FAMILY_NAMES, FAMILY_TIMES, SERVER_TIMES } from "../api/latency.ts";
import type { ProtocolPool } from "../api/protocol-module.ts";
import { ACCESS, PlainFacts } from "../api/request-facts.ts";
import type { Route } from "../api/upstream.ts";
import { ClientTimes } from "../client/client-times.ts";
import { PoolKeys } from "../client/pool-keys.ts";
import type { Describe } from "../client/request-trace.ts";
import { SlowRequests } from "../client/slow-requests.ts";
import { ServerTimes } from "../server/server-times.ts";
import type { WorkerMetrics } from "./metrics.ts";
import type { PoolPlaneOptions } from "./pool-plane-options.ts";

export function openClientTimes(
  options: PoolPlaneOptions,
  protocol: Pick<ProtocolPool, "describe" | "replyReader">,
  route: Pick<Route, "pick">,
): ClientTimes {
  const { metrics, tape, slowReports, engine } = options;
  const pool = options.pool.name;
  const describe: Describe = (bytes, length, index) =>
    protocol.describe?.(bytes, length, index) ?? null;
  const slow = new SlowRequests({
    ...{ options: options.pool, tape, schedule: engine.timer, describe },
    hasRoom: (tookUs) => slowReports.hasRoom(tookUs),
    tell: (request) => slowReports.add(request),
  });
  const facts = new PlainFacts();
  const keys = new PoolKeys({
    ...{ options: options.pool, tape, turn: options.turn, schedule: engine.timer, describe },
    random: engine.random,
    replyReader: protocol.replyReader ?? null,
    serverOf: (key) => route.pick(facts.ofKey(key, ACCESS.read))?.name ?? null,
    tell: options.tellKeys,
  });
  const sizes = metrics.open(CLIENT_SIZES, { pool });
  return new ClientTimes(
    {
      totalUs: FAMILY_NAMES.map((family) =>
        metrics.open(FAMILY_TIMES, { pool, family }).histogram("total_us"),
      ),
      requestBytes: sizes.histogram("request_bytes"),
      replyBytes: sizes.histogram("reply_bytes"),
      pipelineDepth: sizes.histogram("pipeline_depth"),
    },
    slow,
    keys,
  );
}

export function openServerTimes(
  metrics: WorkerMetrics,
  pool: string,
  server: string,
  slow: SlowRequests,
): ServerTimes {
  const times = metrics.open(SERVER_TIMES, { pool, server });
  return new ServerTimes(server, times.histogram("queue_us"), times.histogram("server_us"), slow);
}
