/**
 * Every listening socket of the proxy. The supervisor owns them for as long as it serves: a client that waits in
 * the queue of a socket does not notice that the worker behind it died, or that a whole crew was replaced.
 *
 *   shared:     pool ── one socket ──────▶ all workers
 *   reuseport:  pool ── socket 0 ▶ worker 0
 *                    └─ socket 1 ▶ worker 1             the kernel spreads connections over them
 *
 * A crew gets its sockets by a plan. Addresses that stay keep their sockets over a change of crew. A reuseport socket is
 * never closed while its address stays, because its queue would be lost: a smaller crew divides the surplus among itself.
 */

import { lookup } from "node:dns/promises";
import { chmodSync } from "node:fs";
import { isIP } from "node:net";
import type { Address, Config } from "../api/config.ts";
import { LISTEN_FD_FIRST, type ListenerGrant } from "../api/control.ts";
import { closeFd } from "../os/fd.ts";
import {
  allowReusePort,
  listenTcp,
  listenUnix,
  reserveTcp,
  type SocketFile,
  setBacklog,
  unlinkSocket,
} from "../os/listen-socket.ts";
import { StartError } from "./start-error.ts";

/** twemproxy's statistics port has few readers. */
const STATS_BACKLOG = 16;

/** The sockets of one address, as plain data: a program that replaces this one gets it as JSON. */
export interface OpenAddress {
  /** `127.0.0.1:22121`, or a path: what it is known by. */
  readonly name: string;
  /** Null for a unix socket, of which there is always one. */
  readonly tcp: { readonly ip: string; readonly port: number; readonly reusePort: boolean } | null;
  readonly file: SocketFile | null;
  readonly fds: readonly number[];
}

/** Which addresses a configuration uses, and how. Plain data, likewise. */
export interface ListenerPlan {
  readonly accept: Config["accept"];
  readonly pools: readonly {
    readonly pool: string;
    readonly address: string;
    readonly backlog: number;
    readonly mode: number | null;
  }[];
  /** Address of the statistics port. */
  readonly stats: string | null;
}

export interface WorkerListeners {
  /** In the order in which they become LISTEN_FD_FIRST, + 1, … of the worker. */
  readonly fds: readonly number[];
  readonly grants: readonly ListenerGrant[];
}

/** The statistics port's sockets are apart from the pools': other processes serve them. */
const STATS_PREFIX = "stats ";

export class Listeners {
  readonly #open: Map<string, OpenAddress>;

  constructor(open: readonly (readonly [string, OpenAddress])[] = []) {
    this.#open = new Map(open);
  }

  /** For a program that goes on with them. */
  snapshot(): [string, OpenAddress][] {
    return [...this.#open];
  }

  /**
   * Opens what `config` needs for a crew of `workers` and is not open yet; addresses that are keep their number of sockets,
   * see `widen`. All or nothing. @throws StartError that names every address that cannot be used.
   */
  async prepare(config: Config, workers: number): Promise<ListenerPlan> {
    const before = this.snapshot();
    const problems: string[] = [];
    const open = async (owner: string, address: Address, prefix: string, options: OpenOptions) => {
      try {
        const found = await locate(address);
        const key = prefix + found.name;
        if (!this.#open.has(key)) this.#open.set(key, openAddress(found, options));
        return key;
      } catch (error) {
        problems.push(`${owner}: ${(error as Error).message}`);
        return "";
      }
    };
    const { accept } = config;
    const pools: ListenerPlan["pools"][number][] = [];
    for (const { name, listen, backlog } of config.pools) {
      const options = {
        backlog,
        sockets: socketsFor(accept, workers),
        reusePort: accept === "reuseport",
      };
      const address = await open(`pool "${name}"`, listen, "", options);
      const mode = listen.kind === "unix" ? listen.mode : null;
      pools.push({ pool: name, address, backlog, mode });
    }
    const { listen } = config.stats;
    const options = { backlog: STATS_BACKLOG, sockets: 1, reusePort: false };
    const stats = listen === null ? null : await open("statistics", listen, STATS_PREFIX, options);
    if (problems.length === 0) return { accept, pools, stats };
    this.restore(before);
    throw new StartError(problems);
  }

  /** Sockets that a worker of its own could have at once, on every TCP address of the plan. */
  width(plan: ListenerPlan): number {
    if (plan.accept === "shared") return Number.POSITIVE_INFINITY;
    const counts = plan.pools
      .map(({ address }) => this.#get(address))
      .filter(({ tcp }) => tcp !== null);
    return Math.min(...counts.map(({ fds }) => fds.length));
  }

  /**
   * Gives every worker of a larger crew a socket of its own. Clients may be in a new socket's queue from now on:
   * start the workers at once. @throws ListenError
   */
  widen(plan: ListenerPlan, workers: number): void {
    for (const { address, backlog } of plan.pools) {
      const open = this.#get(address);
      if (open.tcp === null || plan.accept === "shared") continue;
      if (!open.tcp.reusePort) for (const fd of open.fds) allowReusePort(fd, open.name);
      const tcp = { ...open.tcp, reusePort: true };
      const fds = [...open.fds];
      while (fds.length < workers) {
        fds.push(listenTcp({ ...tcp, backlog }));
        this.#open.set(address, { ...open, tcp, fds: [...fds] });
      }
    }
  }

  /** What worker `index` of a crew of `workers` is given. The descriptors stay ours. */
  forWorker(plan: ListenerPlan, index: number, workers: number): WorkerListeners {
    const fds: number[] = [];
    const grants: ListenerGrant[] = [];
    for (const { pool, address } of plan.pools) {
      const open = this.#get(address);
      for (const [socket, fd] of open.fds.entries()) {
        const isShared = plan.accept === "shared" || open.tcp === null;
        if (!isShared && socket % workers !== index) continue;
        grants.push({ pool, fd: LISTEN_FD_FIRST + fds.length });
        fds.push(fd);
      }
    }
    return { fds, grants };
  }

  statsFd(plan: ListenerPlan): number | null {
    return plan.stats === null ? null : this.#get(plan.stats).fds[0]!;
  }

  /** "alpha=127.0.0.1:22121", for the log. */
  addresses(plan: ListenerPlan): string[] {
    const pools = plan.pools.map(({ pool, address }) => `${pool}=${this.#get(address).name}`);
    return plan.stats === null ? pools : [...pools, `stats=${this.#get(plan.stats).name}`];
  }

  /** Only this plan counts from now on: closes all other addresses, and sets what can be changed on those that stay. */
  settle(plan: ListenerPlan): void {
    const used = new Set([plan.stats, ...plan.pools.map(({ address }) => address)]);
    for (const key of [...this.#open.keys()]) if (!used.has(key)) this.#close(key);
    for (const { address, backlog, mode } of plan.pools) {
      const { fds, file } = this.#get(address);
      for (const fd of fds) setBacklog(fd, backlog);
      if (file !== null && mode !== null) changeMode(file.path, mode);
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

  /** Nobody can connect any more once the workers closed theirs, too. Removes socket files. */
  close(): void {
    for (const key of [...this.#open.keys()]) this.#close(key);
  }

  #get(key: string): OpenAddress {
    const open = this.#open.get(key);
    if (open === undefined) throw new Error(`nothing listens on ${key}`);
    return open;
  }

  #close(key: string): void {
    const open = this.#get(key);
    this.#open.delete(key);
    if (open.file !== null) unlinkSocket(open.file);
    for (const fd of open.fds) closeFd(fd);
  }
}

interface OpenOptions {
  readonly backlog: number;
  readonly sockets: number;
  /** Also for a single socket: others may join it when workers are added. */
  readonly reusePort: boolean;
}

type Located =
  | { readonly name: string; readonly ip: string; readonly port: number }
  | { readonly name: string; readonly path: string; readonly mode: number | null };

function socketsFor(accept: Config["accept"], workers: number): number {
  return accept === "reuseport" ? workers : 1;
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
    return { name: path, tcp: null, file, fds: [fd] };
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
  return { name, tcp: { ip, port, reusePort }, file: null, fds };
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

function changeMode(path: string, mode: number): void {
  try {
    chmodSync(path, mode);
  } catch {
    // Somebody removed the file: the socket itself serves on.
  }
}
