/** One shard without sockets, on a clock that the test moves. */
import { type ClientState, createClientState } from "../../../src/dev/redis/client-state.ts";
import type { Shard } from "../../../src/dev/redis/command.ts";
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
  const client = createClientState(1, () => {});
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
