/**
 * The servers of one pool in one worker: which of them a new connection may go to.
 *
 *              cannot be connected                      the time is over: one client tries
 *   in choice ─────────────────────▶ out, for a while ─────────────────────────────────▶ in choice, or out for longer
 *
 * With `health_check` it is probes that try (src/server/health-watch.ts): a server is in the choice as long as nothing tells against it. When no
 * server is left in the choice, clients try those that are out.
 */
import type { PoolHost } from "../../api/protocol-module.ts";
import type { Upstream } from "../../api/upstream.ts";
import { TCP_RETRY_FIRST_MS } from "../../base/limits.ts";
import { type Candidate, type Choose, createBalance } from "./balance.ts";
import type { TcpOptions } from "./options.ts";

export class TcpServer implements Candidate {
  readonly upstream: Upstream;
  readonly weight: number;
  /** Attempts of this worker's clients that are under way. */
  connecting = 0;
  /** Attempts that failed since the last one that did not. */
  failures = 0;
  /** Out of the choice until then, when it has failed. */
  retryAtMs = 0;
  private readonly host: PoolHost;

  constructor(host: PoolHost, upstream: Upstream) {
    this.host = host;
    this.upstream = upstream;
    this.weight = upstream.weight;
  }

  get id(): string {
    return this.upstream.member;
  }

  /** Of all workers, as far as they stand. */
  get load(): number {
    return this.host.connectionsTo(this.upstream) + this.connecting;
  }

  isInChoice(nowMs: number): boolean {
    if (this.host.config.healthCheckMs != null) return this.upstream.isWell !== false;
    // Of a server that failed, one client finds out for all.
    return this.failures === 0 || (nowMs >= this.retryAtMs && this.connecting === 0);
  }
}

export class TcpServers {
  readonly options: TcpOptions;
  private readonly host: PoolHost;
  private readonly choose: Choose;
  private all: readonly TcpServer[] = [];
  /** What `all` was made from. */
  private known: readonly Upstream[] = [];

  constructor(host: PoolHost, options: TcpOptions) {
    this.host = host;
    this.options = options;
    this.choose = createBalance(options.balance, () => host.random());
  }

  private get servers(): readonly TcpServer[] {
    const { upstreams } = this.host.route;
    if (upstreams !== this.known) {
      const before = new Map(this.all.map((server) => [server.upstream, server]));
      this.known = upstreams;
      this.all = upstreams.map(
        (upstream) => before.get(upstream) ?? new TcpServer(this.host, upstream),
      );
    }
    return this.all;
  }

  /** The server for a client, or null: it has `tried` all. */
  next(origin: string, tried: readonly TcpServer[]): TcpServer | null {
    const { nowMs } = this.host.turn;
    const left = this.servers.filter((server) => !tried.includes(server));
    if (left.length === 0) return null;
    const inChoice = left.filter((server) => server.isInChoice(nowMs));
    return this.choose(inChoice.length > 0 ? inChoice : left, origin);
  }

  /** The server of a connection that another worker has made; null: it is not configured here. */
  named(id: string): TcpServer | null {
    return this.servers.find((server) => server.id === id) ?? null;
  }

  onConnected(server: TcpServer): void {
    server.failures = 0;
    server.retryAtMs = 0;
  }

  onRefused(server: TcpServer): void {
    const { serverRetryTimeoutMs } = this.host.config;
    const delayMs = Math.min(TCP_RETRY_FIRST_MS * 2 ** server.failures, serverRetryTimeoutMs);
    server.failures++;
    server.retryAtMs = this.host.turn.nowMs + delayMs;
  }
}
