/** Commands that are like no others. */

import type { RequestView } from "../../codec/request-view.ts";
import type { Command } from "../../commands/command.ts";
import type { RedisClient } from "../redis-client.ts";
import { broadcast } from "./broadcast.ts";
import { handleInfo } from "./info.ts";
import { handleLatencyHistogram } from "./latency-histogram.ts";
import { handleRandomKey } from "./random-key.ts";
import { handleScan } from "./scan.ts";
import { handleSlowLog } from "./slow-log.ts";
import { handleWait } from "./wait.ts";

const SPECIAL: Readonly<
  Record<string, (client: RedisClient, command: Command, view: RequestView) => boolean>
> = {
  INFO: handleInfo,
  "LATENCY|HISTOGRAM": handleLatencyHistogram,
  RANDOMKEY: handleRandomKey,
  SCAN: handleScan,
  "SLOWLOG|GET": handleSlowLog,
  WAIT: handleWait,
  WAITAOF: handleWait,
};

export function handleSpecial(client: RedisClient, command: Command, view: RequestView): boolean {
  return (SPECIAL[command.name] ?? broadcast)(client, command, view);
}
