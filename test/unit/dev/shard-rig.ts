/** One shard without sockets, on a clock that the test moves. */
import type { ClientState, Shard } from "../../../src/dev/redis/command.ts";
import { RESP2 } from "../../../src/dev/redis/encoding.ts";
import { execute } from "../../../src/dev/redis/execute.ts";
import { createShard } from "../../../src/dev/redis/shard.ts";

export interface ShardRig {
  readonly shard: Shard;
  readonly client: ClientState;
  /** Milliseconds since the epoch. */
  now: number;
  /** Runs a command given as words. */
  ask(...args: string[]): string;
}

export function createRig(memoryBytesMax: number = 1024 * 1024): ShardRig {
  const client: ClientState = { id: 1, name: "", database: 0, encoding: RESP2, isClosing: false };
  const rig = { now: 1_000_000 };
  const shard = createShard(memoryBytesMax, () => rig.now);
  return Object.assign(rig, {
    shard,
    client,
    ask: (...args: string[]) => execute(shard, client, args),
  });
}

/** The bulk strings of a flat array reply. */
export function items(reply: string): string[] {
  return reply
    .split("\r\n")
    .filter((_, index) => index > 0)
    .filter((_, index) => index % 2 === 1);
}
