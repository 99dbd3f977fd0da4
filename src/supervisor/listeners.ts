/**
 * Every listening socket of the proxy. The supervisor owns them for as long as it serves: a client that waits in
 * the queue of a socket does not notice that the worker behind it died and was replaced.
 *
 *   shared:     pool ── one socket ──────▶ all workers
 *   reuseport:  pool ── socket of slot 0 ▶ worker 0
 *                    └─ socket of slot 1 ▶ worker 1      the kernel spreads connections over them
 */
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import type { Address, Config, PoolConfig } from "../api/config.ts";
import { LISTEN_FD_FIRST, type ListenerGrant } from "../api/control.ts";
import { closeFd } from "../os/fd.ts";
import { listenTcp, listenUnix, reserveTcp } from "../os/listen-socket.ts";
import type { ActivatedSockets } from "./activation.ts";
import { tuneListeners } from "./listener-options.ts";
import { StartError } from "./start-error.ts";

/** twemproxy's statistics port has few readers. */
const STATS_BACKLOG = 16;

/** How workers share a TCP address; of a unix socket there is always one. */
interface Sharing {
  readonly sockets: number;
  /** Also for a single socket: others may join it when workers are added. */
  readonly reusePort: boolean;
}

const ONE_SOCKET: Sharing = { sockets: 1, reusePort: false };

export interface WorkerListeners {
  /** In the order in which they become LISTEN_FD_FIRST, + 1, … of the worker. */
  readonly fds: readonly number[];
  readonly grants: readonly ListenerGrant[];
}

interface OpenListener {
  /** One per slot, or a single one for all. */
  readonly fds: readonly number[];
  /** As it really is: with the port that the system chose, if that was left open. */
  readonly address: string;
  unlink(): void;
}

export class Listeners {
  readonly #pools: readonly (readonly [PoolConfig, OpenListener])[];
  readonly #stats: OpenListener | null;
  #isClosed = false;

  constructor(pools: readonly (readonly [PoolConfig, OpenListener])[], stats: OpenListener | null) {
    this.#pools = pools;
    this.#stats = stats;
  }

  /** What the worker in `slot` is given. The descriptors stay ours. */
  forWorker(slot: number): WorkerListeners {
    const fds: number[] = [];
    const grants: ListenerGrant[] = [];
    for (const [pool, listener] of this.#pools) {
      grants.push({ pool: pool.name, fd: LISTEN_FD_FIRST + fds.length });
      fds.push(listener.fds[slot] ?? listener.fds[0]!);
    }
    return { fds, grants };
  }

  get statsFd(): number | null {
    return this.#stats?.fds[0] ?? null;
  }

  /** "alpha=127.0.0.1:22121", for the log. */
  get addresses(): string[] {
    const pools = this.#pools.map(([pool, listener]) => `${pool.name}=${listener.address}`);
    return this.#stats === null ? pools : [...pools, `stats=${this.#stats.address}`];
  }

  /** Nobody can connect any more once the workers closed theirs, too. Removes socket files. */
  close(): void {
    // A second close would hit whatever has the same number by then.
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const [, listener] of this.#pools) closeListener(listener);
    if (this.#stats !== null) closeListener(this.#stats);
  }
}

/** Opens all sockets of `config` or none. @throws StartError that names every address that cannot be used. */
export async function openListeners(
  config: Config,
  workers: number,
  activated: ActivatedSockets,
): Promise<Listeners> {
  const problems: string[] = [];
  const opened: OpenListener[] = [];
  const open = async (owner: string, address: Address, backlog: number, sharing: Sharing) => {
    try {
      const listener = await openListener(address, backlog, sharing, activated);
      opened.push(listener);
      return listener;
    } catch (error) {
      problems.push(`${owner}: ${(error as Error).message}`);
      return null;
    }
  };
  const sharing: Sharing =
    config.accept === "reuseport" ? { sockets: workers, reusePort: true } : ONE_SOCKET;
  const pools: [PoolConfig, OpenListener][] = [];
  for (const pool of config.pools) {
    const listener = await open(`pool "${pool.name}"`, pool.listen, pool.backlog, sharing);
    if (listener === null) continue;
    tuneListeners(pool, listener.fds);
    pools.push([pool, listener]);
  }
  const statsAddress = config.stats.listen;
  const stats = statsAddress && (await open("statistics", statsAddress, STATS_BACKLOG, ONE_SOCKET));
  problems.push(...activated.leftovers());
  if (problems.length === 0) return new Listeners(pools, stats);
  for (const listener of opened) closeListener(listener);
  throw new StartError(problems);
}

async function openListener(
  address: Address,
  backlog: number,
  sharing: Sharing,
  activated: ActivatedSockets,
): Promise<OpenListener> {
  if (address.kind === "unix") {
    const { path, mode } = address;
    const given = activated.claim(path);
    if (given.length > 0) return { fds: given, address: path, unlink() {} };
    const { fd, unlink } = listenUnix({ path, mode, backlog });
    return { fds: [fd], address: path, unlink };
  }
  const ip = await resolveHost(address.host);
  const given = activated.claimTcp(ip, address.port);
  if (given.length > 0) return { fds: given, address: tcpName(ip, address.port), unlink() {} };
  // A socket with SO_REUSEPORT would quietly join those of a proxy that runs already.
  const port = reserveTcp(ip, address.port);
  const fds: number[] = [];
  try {
    for (let slot = 0; slot < sharing.sockets; slot += 1) {
      fds.push(listenTcp({ ip, port, backlog, reusePort: sharing.reusePort }));
    }
  } catch (error) {
    for (const fd of fds) closeFd(fd);
    throw error;
  }
  return { fds, address: tcpName(ip, port), unlink() {} };
}

function tcpName(ip: string, port: number): string {
  return ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`;
}

async function resolveHost(host: string): Promise<string> {
  if (isIP(host) !== 0) return host;
  try {
    return (await lookup(host)).address;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "failed";
    throw new Error(`cannot find the address of "${host}" (${code})`);
  }
}

function closeListener(listener: OpenListener): void {
  listener.unlink();
  for (const fd of listener.fds) closeFd(fd);
}
