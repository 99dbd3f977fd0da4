/** The PROXY protocol in one pool: which connections may bring a header, and what becomes of those that do not. */
import type { PoolConfig } from "../api/config.ts";
import type { ClientAddress } from "../api/move.ts";
import type { Stream } from "../api/stream.ts";
import { PROXY_HEADER_MS_MAX } from "../base/limits.ts";
import type { Schedule } from "../base/schedule.ts";
import { HeaderFrontend } from "../client/header-frontend.ts";
import type { Session } from "../client/session.ts";
import { type IpRange, isInRange, parseIpRange } from "../os/ip-range.ts";

export interface ProxyHeadersOptions {
  readonly pool: PoolConfig;
  readonly schedule: Schedule;
  /** The connection from `peer` is about to be closed, for `reason`. */
  onRefused(peer: string, reason: string): void;
}

export class ProxyHeaders {
  /** New connections of the pool begin with a header. */
  readonly isOn: boolean;
  private readonly options: ProxyHeadersOptions;
  /** Null: every source is trusted. */
  private readonly trusted: readonly IpRange[] | null;

  constructor(options: ProxyHeadersOptions) {
    const { proxyProtocol = false, proxyProtocolFrom = null } = options.pool;
    this.options = options;
    this.isOn = proxyProtocol;
    this.trusted =
      proxyProtocolFrom === null
        ? null
        : proxyProtocolFrom.map(parseIpRange).filter((range) => range !== null);
  }

  /** False: its source may not say who its clients are, and it is to be closed. On a unix socket the file's mode decides who may. */
  admits(stream: Stream): boolean {
    const { peer } = stream;
    if (this.trusted === null || peer === "unix") return true;
    const ip = peer.substring(0, peer.lastIndexOf(":"));
    if (this.trusted.some((range) => isInRange(range, ip))) return true;
    this.options.onRefused(peer, "its source is none of proxy_protocol_from");
    return false;
  }

  /**
   * Has `session` wait for its header.
   * @param ageMs of its connection. @param serve gives it the pool's frontend
   */
  await(session: Session, ageMs: number, serve: () => void): void {
    session.attach(
      new HeaderFrontend({
        session,
        schedule: this.options.schedule,
        waitMs: Math.max(PROXY_HEADER_MS_MAX - ageMs, 0),
        onHeader: (address: ClientAddress | null) => {
          if (address !== null) session.address = address;
          serve();
        },
        onRefused: (reason) => {
          this.options.onRefused(session.stream.peer, reason);
          session.close();
        },
      }),
    );
  }
}
