/** What the sessions of a rig share. */

import type { Route } from "../../../src/api/upstream.ts";
import type { WorkerBus } from "../../../src/api/worker-bus.ts";
import type { Deadlines } from "../../../src/base/deadlines.ts";
import { SliceQueue } from "../../../src/base/slice-queue.ts";
import type { Turn } from "../../../src/base/turn.ts";
import { VariantTable } from "../../../src/protocols/redis/client/identity/variant-table.ts";
import { CommandLearner } from "../../../src/protocols/redis/client/learn-commands.ts";
import { ClientDirectory } from "../../../src/protocols/redis/client/local/client-directory.ts";
import { Maintenance } from "../../../src/protocols/redis/client/maintenance.ts";
import { SharedSubscriptions } from "../../../src/protocols/redis/client/pubsub/shared-subscriptions.ts";
import type { RedisPool } from "../../../src/protocols/redis/client/redis-pool.ts";
import { ScriptMemory } from "../../../src/protocols/redis/client/scripts/memory.ts";
import { CommandTable } from "../../../src/protocols/redis/commands/command-table.ts";
import type { MgetErrors } from "../../../src/protocols/redis/options.ts";
import { noPeers } from "../../support/fake-peers.ts";

export interface PoolOptions {
  readonly password?: string;
  readonly mgetErrors?: MgetErrors;
  readonly splitsTransactions?: boolean;
  /** What servers tell clients that give none; null: they have not been asked yet. */
  readonly needsPassword?: boolean | null;
  readonly bus?: WorkerBus;
  readonly timeoutMs?: number;
}

export function createPool(
  route: Route,
  turn: Turn,
  deadlines: Deadlines,
  options: PoolOptions,
): RedisPool {
  const {
    password = null,
    mgetErrors = "whole",
    needsPassword = false,
    splitsTransactions = false,
  } = options;
  const { bus = noPeers(), timeoutMs = null } = options;
  const commands = new CommandTable();
  const variants = new VariantTable(password, 0);
  if (needsPassword !== null) variants.access.learn(needsPassword);
  let ids = 0;
  const nextClientId = (): number => ++ids;
  return {
    ...{
      route,
      commands,
      password,
      hashTag: null,
      mgetErrors,
      splitsTransactions,
      cluster: null,
      gate: null,
      follower: null,
      readers: null,
      announced: null,
      bus,
      variants,
      turn,
      deadlines,
    },
    add() {},
    slices: new SliceQueue(turn),
    learner: new CommandLearner(commands, turn, deadlines),
    maintenance: new Maintenance(turn, deadlines, nextClientId, () => 0),
    scripts: new ScriptMemory(bus, turn),
    sharedSubscriptions: new SharedSubscriptions({
      ...{
        route,
        timeoutMs: () => timeoutMs,
        variants,
        turn,
        deadlines,
        bus,
        nextId: nextClientId,
      },
      ...{ cluster: null, countShared() {}, sharedElsewhere: () => 0 },
    }),
    operators: { areAllowed: () => false, show() {} },
    directory: new ClientDirectory(bus, turn),
    unixPath: null,
    random: () => 0.5,
    nextClientId,
    count() {},
    onForeign() {},
  };
}
