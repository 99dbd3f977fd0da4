/**
 * The file descriptors of a worker: how many connections to servers are planned before it starts, and what clients and
 * servers use of them while it runs.
 *
 *   openFiles = reserved + clients + connections to servers (shared, lent, of subscribers, for one client each)
 */
import { FairShares } from "./fair-shares.ts";

/** Kept free for what is neither client nor server: logs, listeners, timers, other processes' descriptors in transit. */
const RESERVED_FILES = 64;
/** Clients leave so large a part for transactions, blocked clients and subscriptions. */
const LENT_PART = 1 / 16;

/** What of a pool takes descriptors. */
export interface PoolNeeds {
  readonly servers: number;
  /** To each server, of each kind; 0: clients share none, each has one of its own. */
  readonly serverConnections: number;
}

/** What a worker may have, when its clients are of one kind: none has chosen a database, a user or a protocol. */
export interface DescriptorPlan {
  /** The limit of open files. */
  readonly openFiles: number;
  /** For neither clients nor servers. */
  readonly reserved: number;
  /** Connections to servers that the configuration asks for. */
  readonly serversWanted: number;
  /** Connections to servers that there is room for. */
  readonly servers: number;
  /** By pool: connections to each server. */
  readonly perServer: readonly number[];
  /** At the start for connections that single clients need: transactions, blocked clients, subscriptions. */
  readonly lent: number;
  readonly clients: number;
  /** Descriptors of one client: of its connection, and of the one to its server if every pool is such that each client has its own. */
  readonly perClient: 1 | 2;
  /** Clients of some pools take two, others one. */
  readonly isMixed: boolean;
}

/** Connections to servers may use up to half of the descriptors: if more are configured, each pool gets fewer, but one to each server. */
export function planDescriptors(openFiles: number, pools: readonly PoolNeeds[]): DescriptorPlan {
  const reserved = Math.min(RESERVED_FILES, openFiles >> 1);
  const max = openFiles - reserved;
  const serversMax = max >> 1;
  const serversWanted = total(pools, (pool) => pool.serverConnections);
  const scale = Math.min(1, serversMax / serversWanted);
  const perServer = pools.map(({ serverConnections }) =>
    serverConnections === 0 ? 0 : Math.max(1, Math.floor(serverConnections * scale)),
  );
  const servers = total(pools, (_, index) => perServer[index]!);
  const lent = Math.ceil(max * LENT_PART);
  const own = pools.filter(
    ({ servers, serverConnections }) => servers > 0 && serverConnections === 0,
  );
  const perClient = own.length > 0 && own.length === pools.length ? 2 : 1;
  const isMixed = own.length > 0 && perClient === 1;
  const clients = Math.floor((max - Math.min(servers, serversMax) - lent) / perClient);
  return {
    openFiles,
    reserved,
    serversWanted,
    servers,
    perServer,
    lent,
    clients,
    perClient,
    isMixed,
  };
}

/** What the operator should know of a plan, or null: there is room for all that is configured. */
export function shortageOf({
  openFiles,
  reserved,
  serversWanted,
  servers,
}: DescriptorPlan): string | null {
  const needed = reserved + 2 * serversWanted;
  if (needed <= openFiles) return null;
  return (
    `the limit of open files, ${openFiles}, has no room for ${serversWanted} connections to servers in each worker: ` +
    `there will be ${servers}; raise it to ${needed} or more (LimitNOFILE=, ulimit -n) or lower server_connections`
  );
}

function total(
  pools: readonly PoolNeeds[],
  connections: (pool: PoolNeeds, index: number) => number,
): number {
  return pools.reduce((sum, pool, index) => sum + pool.servers * connections(pool, index), 0);
}

export class DescriptorBudget {
  /** The limit of open files. */
  readonly openFiles: number;
  /** Connections that are lent to single clients, or kept to be lent. */
  lent = 0;
  /** Connections that all clients share: those that stand or are being made. */
  shared = 0;
  /** Connections that carry the bytes of one client each. */
  perClient = 0;
  /** Of what is lent: which clients have how much. */
  readonly shares: FairShares = new FairShares();
  private readonly max: number;
  /** Shared connections that may be made at any time. */
  private planned = 0;
  private readonly clients: () => number;

  /** @param clients how many there are, with those that were turned away and are still here */
  constructor({ openFiles, reserved }: DescriptorPlan, clients: () => number) {
    this.openFiles = openFiles;
    this.max = openFiles - reserved;
    this.clients = clients;
  }

  /** Descriptors that are not used, and not needed to reach servers. */
  get free(): number {
    const shared = Math.max(this.shared, Math.min(this.planned, this.sharedMax));
    return Math.max(this.max - this.clients() - this.lent - this.perClient - shared, 0);
  }

  get hasRoom(): boolean {
    return this.free > 0;
  }

  /** @param descriptors of the client: of its connection, and of the one to its server if each client has its own */
  hasRoomForClient(descriptors: 1 | 2): boolean {
    return this.free - descriptors >= this.keptForLent;
  }

  /** For a client that was turned away and still listens. */
  get hasRoomToLinger(): boolean {
    return this.free > this.keptForLent / 2;
  }

  private get keptForLent(): number {
    return Math.max(Math.ceil(this.max * LENT_PART) - this.lent, 0);
  }

  /**
   * Plans shared connections of one kind to `servers` servers.
   * @param wanted connections to each
   * @returns how many to each there is room for: at least one
   */
  plan(servers: number, wanted: number): number {
    const room = Math.floor((this.sharedMax - this.planned) / servers);
    const each = Math.max(1, Math.min(wanted, room));
    this.planned += servers * each;
    return each;
  }

  /** To be called with what `plan` gave, when there will be no connections of that kind any more. */
  giveUp(servers: number, each: number): void {
    this.planned -= servers * each;
  }

  /** `plan` gave `each` for `servers` servers, and now there are `after`. */
  resize(each: number, servers: number, after: number): void {
    this.planned += (after - servers) * each;
  }

  private get sharedMax(): number {
    return this.max >> 1;
  }
}
