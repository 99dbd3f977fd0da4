/** What a pool logs about clients that it turns away or closes: each kind of event once in a while, with how many were left out. */
import type { PoolConfig } from "../api/config.ts";
import type { DescriptorBudget } from "../base/descriptor-budget.ts";
import type { LogFields, Logger } from "../base/log.ts";
import type { LogLimit } from "../base/log-limit.ts";
import type { Turn } from "../base/turn.ts";

export interface ClientWarningsOptions {
  readonly pool: PoolConfig;
  /** With the pool's name. */
  readonly log: Logger;
  /** Shared by all pools. */
  readonly logLimit: LogLimit;
  readonly descriptors: DescriptorBudget;
  readonly turn: Turn;
  /** Of the pool, in this worker. */
  readonly clients: () => number;
  /** The module whose protocol the pool's clients speak; null: one of the proxy's own. */
  readonly module: string | null;
}

export class ClientWarnings {
  private readonly options: ClientWarningsOptions;

  constructor(options: ClientWarningsOptions) {
    this.options = options;
  }

  /** @param isFull the pool has as many clients as it may have; false: no descriptor is left */
  refused(isFull: boolean): void {
    const { pool, descriptors, clients } = this.options;
    const reason = isFull
      ? `client_connections of the pool is reached (${pool.clientConnectionsMax}, over all workers)`
      : `the limit of open files is reached (${descriptors.openFiles} in each worker); raise it (LimitNOFILE=, ulimit -n)`;
    this.warn("client_is_turned_away", `refused ${isFull}`, `a client is turned away: ${reason}`, {
      clients: clients(),
      server_connections: descriptors.shared + descriptors.lent + descriptors.perClient,
    });
  }

  /** @param reason what is wrong with its PROXY header, or with its source */
  headerRefused(peer: string, reason: string): void {
    this.warn(
      "client_header_is_refused",
      "proxy header",
      `a connection is closed: the pool has proxy_protocol, and of its PROXY header is to be said: ${reason}`,
      { peer },
    );
  }

  /** @param option whose limit is reached */
  turnedAway(peer: string, option: string): void {
    this.warn(
      "client_is_turned_away",
      option,
      `a client is turned away: ${option} of the pool is reached`,
      { peer },
    );
  }

  /** @param what becomes of the client */
  throttled(peer: string, what: string): void {
    this.warn(
      "client_is_throttled",
      "throttled",
      `a client is over a limit of the pool, and ${what}`,
      { peer },
    );
  }

  unreadable(peer: string): void {
    this.warn(
      "client_is_unreadable",
      "unreadable",
      "a client is turned away: the pool has filters, which cannot read its protocol",
      { peer },
    );
  }

  timedOut(peer: string, reason: "idle" | "slow"): void {
    this.warn(
      "client_has_timed_out",
      reason,
      reason === "idle"
        ? "a client is closed: it was idle for longer than client_idle_timeout"
        : "a client is closed: its request was not complete within request_timeout",
      { peer },
    );
  }

  /** @param unreadBytes what it was sent and has not read */
  cut(peer: string, unreadBytes: number): void {
    const { module } = this.options;
    this.warn(
      "client_is_cut",
      "cut",
      module === null
        ? "a client is closed: it does not read what it is sent, and too much has gathered"
        : "a client is closed: the module has written more than a client may leave unread; it must write less at once",
      { peer, unread_bytes: unreadBytes, ...(module === null ? {} : { module }) },
    );
  }

  /** @param heldBytes by the client. @param allBytes by all clients of the worker */
  cutForMemory(peer: string, heldBytes: number, allBytes: number): void {
    this.warn(
      "client_is_cut_for_memory",
      "memory",
      "a client is closed: clients hold more memory than client_memory lets them, and this one held most; it reads too slowly, sends too much of one request, or leaves too much in a transaction or a blocking command",
      { peer, held_bytes: heldBytes, all_clients_bytes: allBytes },
    );
  }

  /** @param kind of what there is a line once in a while */
  private warn(event: string, kind: string, text: string, fields: LogFields): void {
    const { pool, log, logLimit, turn } = this.options;
    const leftOut = logLimit.admit(`${pool.name} ${kind}`, turn.nowMs);
    if (leftOut === null) return;
    log.warn(text, { event, ...fields, ...(leftOut > 0 ? { left_out: leftOut } : {}) });
  }
}
