/**
 * Stands before each request of a pool whose keys are being moved: lets it through when its keys are where the route says, has them moved if
 * they are not, and refuses what cannot be done meanwhile.
 */

import type { Upstream } from "../../../api/upstream.ts";
import { MOVING_KEYS_OF_REQUEST_MAX } from "../../../base/migration-limits.ts";
import type { RedisClient } from "../client/redis-client.ts";
import { encodeError } from "../codec/encode.ts";
import type { RequestView } from "../codec/request-view.ts";
import type { Command, Disposition } from "../commands/command.ts";
import { findKeys } from "../commands/find-keys.ts";
import type { KeyMover } from "./key-mover.ts";
import { keyOf, nameOf } from "./key-name.ts";

/** They concern keys that are on two servers, in another order than those move. */
const IMPOSSIBLE = /^(SWAPDB|MOVE)$/;
const FLUSHES = /^FLUSH(ALL|DB)$/;
const COPY_WITH_DATABASE = 4;

const TOO_MANY: Buffer = encodeError(
  `ERR a request may name ${MOVING_KEYS_OF_REQUEST_MAX} keys at the most while keys of this pool are moved to other servers`,
);
const UNKNOWN_RING: Buffer = encodeError(
  "TRYAGAIN this proxy cannot hear from etcd on which servers the keys of this pool are; nothing was done",
);
/** They say how a transaction ends, which the proxy has given up by then. */
const TRANSACTION_END = /^(MULTI|EXEC|DISCARD|UNWATCH)$/;
const KEYLESS: ReadonlySet<Disposition> = new Set(["local", "pubsub", "refused"]);

/** So many different tags a cursor of SCAN may have, see scan.ts. */
export const SCAN_TAGS = 8n;

const positions: number[] = [];

export class KeyGate {
  readonly mover: KeyMover;

  constructor(mover: KeyMover) {
    this.mover = mover;
  }

  /** Nothing stands before requests. */
  get isOpen(): boolean {
    return this.mover.moving === null && !this.mover.isRefusing;
  }

  /** The servers for SCAN, of which some may be there twice; null: those of the route. */
  get scanOrder(): readonly Upstream[] | null {
    const { moving } = this.mover;
    return moving === null ? null : [...new Set(moving.sources), ...new Set(moving.targets)];
  }

  /** In the cursors of SCAN: 0 unless keys move. */
  get scanTag(): bigint {
    const { moving } = this.mover;
    return moving === null ? 0n : 1n + (BigInt(moving.epoch) % (SCAN_TAGS - 1n));
  }

  /**
   * @returns true: it may go on; false: the client waits, and the request comes again; a buffer: the error that refuses it
   */
  admit(client: RedisClient, command: Command, view: RequestView): boolean | Buffer {
    const { moving, isRefusing } = this.mover;
    if (isRefusing && mayReachServers(command)) return UNKNOWN_RING;
    if (moving === null) return true;
    const fault = faultOf(client, command, view);
    if (fault !== null) return encodeError(`ERR ${fault}`);
    const count = findKeys(command, view, positions);
    if (count <= 0) return true;
    if (count > MOVING_KEYS_OF_REQUEST_MAX) return TOO_MANY;
    const { route, variants } = client.pool;
    const { database } = variants.variantOf(client.variant);
    let lastUnsettled: string | null = null;
    for (let i = 0; i < count; i++) {
      const facts = view.key(positions[i]!);
      const source = moving.sourceOf(facts);
      if (source === null) continue;
      const name = nameOf(database, view.text(positions[i]!));
      if (this.mover.isSettled(name)) continue;
      const failure = this.mover.failureOf(name);
      if (failure !== null) return unmoved(view.text(positions[i]!), source.name, failure);
      const target = route.pick(view.key(positions[i]!));
      if (target === null) continue;
      const problem = this.mover.move(name, { key: keyOf(name), source, target }, database);
      if (problem !== null) return unmoved(view.text(positions[i]!), source.name, problem);
      lastUnsettled = name;
    }
    if (lastUnsettled === null) return true;
    client.flushRun();
    client.session.waitForWake();
    // As a rule the others are settled by then.
    this.mover.wakeAfter(lastUnsettled, client.session);
    return false;
  }
}

function mayReachServers({ name, disposition }: Command): boolean {
  return !KEYLESS.has(disposition) && !TRANSACTION_END.test(name);
}

function unmoved(key: string, server: string, why: string): Buffer {
  const shown = key.length > 64 ? `${key.substring(0, 64)}…` : key;
  return encodeError(
    `TRYAGAIN the key '${shown}' is still on server ${server} and could not be moved to where it belongs; nothing was done: ${why}`,
  );
}

function isQueuing({ features }: RedisClient): boolean {
  return (features.transaction?.queued ?? -1) >= 0;
}

/** Why a command cannot be done while keys move; null: it can. */
function faultOf(client: RedisClient, { name }: Command, view: RequestView): string | null {
  if (IMPOSSIBLE.test(name) || (FLUSHES.test(name) && isQueuing(client))) {
    return `'${name}' cannot be done while keys of this pool are moved to other servers; see "proxy migration status"`;
  }
  if (name === "COPY" && view.count > COPY_WITH_DATABASE && hasWord(view, "DB")) {
    return "'COPY' to another database cannot be done while keys of this pool are moved to other servers";
  }
  if (name === "SELECT" && isQueuing(client)) {
    return "'SELECT' inside MULTI cannot be done while keys of this pool are moved to other servers";
  }
  return null;
}

function hasWord(view: RequestView, word: string): boolean {
  for (let i = 3; i < view.count; i++) if (view.text(i).toUpperCase() === word) return true;
  return false;
}
