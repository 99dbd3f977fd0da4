/**
 * Every listening socket of the proxy. The supervisor owns them for as long as it serves: a client that waits in
 * the queue of a socket does not notice that the worker behind it died, or that a whole generation was replaced.
 *
 *   others:     pool ── one socket ──────▶ all workers  (or the acceptor process, see intake.ts)
 *   reuseport:  pool ── socket 0 ▶ worker 0
 *                    └─ socket 1 ▶ worker 1             the kernel spreads connections over them
 *
 * "All workers" are those of the pool's worker set, see src/config/worker-sets.ts.
 *
 * A generation gets its sockets by a plan. Addresses that stay keep their sockets over a change of generation. A reuseport socket is
 * never closed while its address stays, because its queue would be lost: a smaller generation divides the surplus among itself.
 * Sockets that the service manager opened are for all workers in every mode: nothing joins them.
 */

import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import type { Address, Config, PoolConfig } from "../../api/config.ts";
import { LISTEN_FD_FIRST, type ListenerGrant } from "../../api/control.ts";
import type { WorkerSet } from "../../api/worker-set.ts";
import { within } from "../../base/within.ts";
import { closeFd } from "../../os/fd.ts";
import {
  allowReusePort,
  listenTcp,
  listenUnix,
  reserveTcp,
  type SocketFile,
  setBacklog,
  unlinkSocket,
} from "../../os/listen-socket.ts";
import { changeFile } from "../../os/safe-file.ts";
import { StartError } from "../start-error.ts";
import { ActivatedSockets } from "./activation.ts";
import { type ListenerTuning, retuneListeners, tuneListeners } from "./listener-options.ts";

const STATS_OWNER = "statistics";
const ADMIN_OWNER = "admin";
/** Enough for all that is accepted at a time. */
const ADMIN_BACKLOG = 128;
/** The port is open by default, so a second proxy on a machine may not know that it has one. */
const STATS_HINT =
  '; choose another port with "-s N" and address with "-a IP", or with "stats: { listen: IP:N }" in a native file';
/** twemproxy's statistics port has few readers. */
const STATS_BACKLOG = 16;

/** The sockets of one address, as plain data: a program that replaces this one gets it as JSON. */
export interface OpenAddress {
  /** `127.0.0.1:22121`, or a path: what it is known by. */
  readonly name: string;
  /** Null where no further socket can join: a unix socket, and what the service manager opened. */
  readonly tcp: { readonly ip: string; readonly port: number; readonly reusePort: boolean } | null;
  /** What we made, and remove in the end. */
  readonly file: SocketFile | null;
  readonly fds: readonly number[];
  /** The service manager's, as are their backlog and file. */
  readonly isGiven: boolean;
}

/** Which addresses a configuration uses, and how. Plain data, likewise. */
export interface ListenerPlan {
  readonly accept: Config["accept"];
  readonly pools: readonly (ListenerTuning & {
    readonly pool: string;
    readonly address: string;
    readonly backlog: number;
    readonly mode: number | null;
    /** Those that serve the pool. Absent: all of the generation. */
    readonly workers?: Pick<WorkerSet, "first" | "size">;
  })[];
  /** Address of the statistics port. */
  readonly stats: string | null;
  /** Address of the admin process's HTTP port. Absent: the program that made the plan is older than this. */
  readonly admin?: string | null;
}

export interface WorkerListeners {
  /** In the order in which they become LISTEN_FD_FIRST, + 1, … of the worker. */
  readonly fds: readonly number[];
  readonly grants: readonly ListenerGrant[];
}

/** Of a pool that no worker serves. */
const NO_WORKERS = { first: 0, size: 0 };

/** A resolver that answers nothing may take minutes to say so. */
const RESOLVE_TIMEOUT_MS = 10_000;
/** The statistics port's sockets are apart from the pools': other processes serve them. */
const STATS_PREFIX = "stats ";
const ADMIN_PREFIX = "admin ";

export class Listeners {
  readonly #open: Map<string, OpenAddress>;
  readonly #activated: ActivatedSockets;

  /** @param activated used up by the first `prepare` */
  constructor(
    open: readonly (readonly [string, OpenAddress])[] = [],
    activated: ActivatedSockets = new ActivatedSockets([]),
  ) {
    this.#open = new Map(open);
    this.#activated = activated;
  }

  /** For a program that goes on with them. */
  snapshot(): [string, OpenAddress][] {
    return [...this.#open];
  }

  /**
   * Opens what `config` needs for a generation of the worker sets `sets` and is not open yet; addresses that are keep their number of
   * sockets, see `widen`. All or nothing. @throws StartError that names every address that cannot be used.
   */
  async prepare(config: Config, sets: readonly WorkerSet[]): Promise<ListenerPlan> {
    const before = this.snapshot();
    const problems: string[] = [];
    const open = async (owner: string, address: Address, prefix: string, options: OpenOptions) => {
      try {
        const found = await locate(address);
        const key = prefix + found.name;
        if (!this.#open.has(key)) {
          const opened = this.#claim(found) ?? openAddress(found, options);
          tuneListeners(options.tuning, opened.fds);
          this.#open.set(key, opened);
        }
        return key;
      } catch (error) {
        const hint = owner === STATS_OWNER ? STATS_HINT : "";
        problems.push(`${owner}: ${(error as Error).message}${hint}`);
        return "";
      }
    };
    const { accept } = config;
    const pools: ListenerPlan["pools"][number][] = [];
    for (const pool of config.pools) {
      const { name, listen, backlog, tcpDeferAcceptMs } = pool;
      const { first, size } = sets.find((set) => set.pools.includes(name)) ?? NO_WORKERS;
      const options = poolOptions(pool, accept, size);
      const address = await open(`pool "${name}"`, listen, "", options);
      const mode = listen.kind === "unix" ? listen.mode : null;
      const workers = { first, size };
      pools.push({ pool: name, address, backlog, mode, tcpDeferAcceptMs, workers });
    }
    const { listen } = config.stats;
    const stats =
      listen === null ? null : await open(STATS_OWNER, listen, STATS_PREFIX, STATS_OPTIONS);
    const http = config.admin?.listen ?? null;
    const admin = http === null ? null : await open(ADMIN_OWNER, http, ADMIN_PREFIX, ADMIN_OPTIONS);
    problems.push(...this.#activated.leftovers());
    if (problems.length === 0) return { accept, pools, stats, admin };
    this.restore(before);
    throw new StartError(problems);
  }

  /** Of the indexes of `workers` workers those that would have a socket at once on every TCP address of theirs. */
  provided(plan: ListenerPlan, workers: number): number[] {
    const isProvided = (index: number): boolean =>
      plan.pools.every((pool) => {
        const { tcp, fds } = this.#get(pool.address);
        const place = placeIn(pool, index, workers);
        return place === null || tcp === null || place < fds.length;
      });
    const all = Array.from({ length: workers }, (_, index) => index);
    return plan.accept === "reuseport" ? all.filter(isProvided) : all;
  }

  /**
   * Gives every worker of a larger generation a socket of its own. Clients may be in a new socket's queue from now on:
   * start the workers at once. @throws ListenError
   */
  widen(plan: ListenerPlan, workers: number): void {
    for (const pool of plan.pools) {
      const { address, backlog, tcpDeferAcceptMs } = pool;
      const open = this.#get(address);
      if (open.tcp === null || plan.accept !== "reuseport") continue;
      const { size } = pool.workers ?? { size: workers };
      if (!open.tcp.reusePort) for (const fd of open.fds) allowReusePort(fd, open.name);
      const tcp = { ...open.tcp, reusePort: true };
      const fds = [...open.fds];
      while (fds.length < size) {
        const fd = listenTcp({ ...tcp, backlog });
        fds.push(fd);
        tuneListeners({ tcpDeferAcceptMs }, [fd]);
        this.#open.set(address, { ...open, tcp, fds: [...fds] });
      }
    }
  }

  /** What worker `index` of a generation of `workers` is given. The descriptors stay ours. */
  forWorker(plan: ListenerPlan, index: number, workers: number): WorkerListeners {
    const fds: number[] = [];
    const grants: ListenerGrant[] = [];
    for (const pool of plan.pools) {
      const open = this.#get(pool.address);
      const place = placeIn(pool, index, workers);
      if (place === null) continue;
      const { size } = pool.workers ?? { size: workers };
      for (const [socket, fd] of open.fds.entries()) {
        const isShared = plan.accept !== "reuseport" || open.tcp === null;
        if (!isShared && socket % size !== place) continue;
        grants.push({ pool: pool.pool, fd: LISTEN_FD_FIRST + fds.length });
        fds.push(fd);
      }
    }
    return { fds, grants };
  }

  /** The socket files that we made for the pools of the plan. */
  files(plan: ListenerPlan): SocketFile[] {
    const files = plan.pools.map(({ address }) => this.#get(address).file);
    return files.filter((file) => file !== null);
  }

  statsFd(plan: ListenerPlan): number | null {
    return plan.stats === null ? null : this.#get(plan.stats).fds[0]!;
  }

  adminFd({ admin = null }: ListenerPlan): number | null {
    return admin === null ? null : this.#get(admin).fds[0]!;
  }

  /** "alpha=127.0.0.1:22121", for the log and for status: those that are open. A proxy that drains has none. */
  addresses(plan: ListenerPlan): string[] {
    const named = (name: string, address: string | null): string[] => {
      const open = address === null ? undefined : this.#open.get(address);
      return open === undefined ? [] : [`${name}=${open.name}`];
    };
    return [
      ...plan.pools.flatMap(({ pool, address }) => named(pool, address)),
      ...named("stats", plan.stats),
      ...named("admin", plan.admin ?? null),
    ];
  }

  /** Only this plan counts from now on: closes all other addresses, and sets what can be changed on those that stay. */
  settle(plan: ListenerPlan): void {
    const used = new Set([
      plan.stats,
      plan.admin ?? null,
      ...plan.pools.map(({ address }) => address),
    ]);
    for (const key of [...this.#open.keys()]) if (!used.has(key)) this.#close(key);
    for (const { address, backlog, mode, tcpDeferAcceptMs } of plan.pools) {
      const { fds, file, isGiven } = this.#get(address);
      const tune = isGiven ? tuneListeners : retuneListeners;
      tune({ tcpDeferAcceptMs }, fds);
      if (!isGiven) for (const fd of fds) setBacklog(fd, backlog);
      // A file that was removed or replaced is left alone: the socket itself serves on.
      if (file !== null && mode !== null) changeFile(file, { mode });
    }
  }

  /** Back to what was open at the time of that `snapshot`. */
  restore(before: readonly (readonly [string, OpenAddress])[]): void {
    const kept = new Map(before);
    for (const [key, open] of [...this.#open]) {
      const old = kept.get(key);
      if (old === undefined) this.#close(key);
      else {
        for (const fd of open.fds) if (!old.fds.includes(fd)) closeFd(fd);
        this.#open.set(key, old);
      }
    }
  }

  /** No client can connect any more once the workers closed theirs, too. Removes socket files. */
  close(): void {
    for (const key of [...this.#open.keys()]) this.#close(key);
  }

  /** The service manager's sockets of this address; null: it gave none. */
  #claim(located: Located): OpenAddress | null {
    const { name } = located;
    const fds =
      "path" in located
        ? this.#activated.claim(located.path)
        : this.#activated.claimTcp(located.ip, located.port);
    return fds.length === 0 ? null : { name, tcp: null, file: null, fds, isGiven: true };
  }

  #get(key: string): OpenAddress {
    const open = this.#open.get(key);
    if (open === undefined) throw new Error(`nothing listens on ${key}`);
    return open;
  }

  #close(key: string): void {
    const open = this.#get(key);
    this.#open.delete(key);
    // In this order: where descriptors have run out, there are some to remove the file with.
    for (const fd of open.fds) closeFd(fd);
    if (open.file !== null) unlinkSocket(open.file);
  }
}

interface OpenOptions {
  readonly backlog: number;
  readonly sockets: number;
  /** Also for a single socket: others may join it when workers are added. */
  readonly reusePort: boolean;
  readonly tuning: ListenerTuning;
}

const STATS_OPTIONS: OpenOptions = {
  backlog: STATS_BACKLOG,
  sockets: 1,
  reusePort: false,
  tuning: { tcpDeferAcceptMs: null },
};

const ADMIN_OPTIONS: OpenOptions = { ...STATS_OPTIONS, backlog: ADMIN_BACKLOG };

type Located =
  | { readonly name: string; readonly ip: string; readonly port: number }
  | { readonly name: string; readonly path: string; readonly mode: number | null };

function poolOptions(pool: PoolConfig, accept: Config["accept"], workers: number): OpenOptions {
  const reusePort = accept === "reuseport";
  return { backlog: pool.backlog, sockets: reusePort ? workers : 1, reusePort, tuning: pool };
}

/** Which of the workers that serve the pool the one of that index is, from 0 on; null: none of them. */
function placeIn(
  { workers }: ListenerPlan["pools"][number],
  index: number,
  all: number,
): number | null {
  const { first, size } = workers ?? { first: 0, size: all };
  return index >= first && index < first + size ? index - first : null;
}

async function locate(address: Address): Promise<Located> {
  if (address.kind === "unix")
    return { name: address.path, path: address.path, mode: address.mode };
  const ip = await resolveHost(address.host);
  const name = ip.includes(":") ? `[${ip}]:${address.port}` : `${ip}:${address.port}`;
  return { name, ip, port: address.port };
}

function openAddress(located: Located, options: OpenOptions): OpenAddress {
  const { backlog, sockets, reusePort } = options;
  if ("path" in located) {
    const { path, mode } = located;
    const { fd, file } = listenUnix({ path, mode, backlog });
    return { name: path, tcp: null, file, fds: [fd], isGiven: false };
  }
  const { ip, name } = located;
  // A socket with SO_REUSEPORT would quietly join those of a proxy that runs already.
  const port = reserveTcp(ip, located.port);
  const fds: number[] = [];
  try {
    for (let index = 0; index < sockets; index += 1) {
      fds.push(listenTcp({ ip, port, backlog, reusePort }));
    }
  } catch (error) {
    for (const fd of fds) closeFd(fd);
    throw error;
  }
  return { name, tcp: { ip, port, reusePort }, file: null, fds, isGiven: false };
}

async function resolveHost(host: string): Promise<string> {
  if (isIP(host) !== 0) return host;
  try {
    return (await within(lookup(host), RESOLVE_TIMEOUT_MS)).address;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? (error as Error).message;
    throw new Error(`cannot find the address of "${host}" (${code})`);
  }
}
