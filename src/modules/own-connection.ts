/** Connections to servers that one client has for itself. */
import type { OwnConnection } from "proxy/module";
import type { ClientPort } from "../api/client-port.ts";
import { type Failure, FIRST_KIND, type Lease, type ReplySink } from "../api/upstream.ts";
import { MODULE_OWN_CONNECTIONS_MAX } from "../base/limits.ts";
import { closeFd } from "../os/fd.ts";
import { ServerError } from "./asking.ts";
import type { ProxiedServer, ProxiedServers } from "./proxied-servers.ts";

/** Plain JSON data, in the order of the descriptors. */
export interface SavedOwn {
  readonly id: number;
  /** See `Upstream.member`. */
  readonly member: string;
  /** Its reply is what the client waits for. */
  readonly isBlocked: boolean;
}

export class Own implements OwnConnection {
  readonly id: number;
  readonly server: ProxiedServer;
  readonly lease: Lease;
  isBlocked = false;
  private readonly owns: Owns;

  constructor(owns: Owns, id: number, server: ProxiedServer, lease: Lease) {
    this.owns = owns;
    this.id = id;
    this.server = server;
    this.lease = lease;
  }

  get isOpen(): boolean {
    return this.owns.all.includes(this);
  }

  close(): void {
    this.owns.remove(this);
    this.lease.release(false);
  }
}

export class Owns {
  all: readonly Own[] = [];
  private readonly client: ClientPort;
  private readonly onBlockedLost: (failure: Failure) => void;
  private ids = 0;
  /** Being opened. */
  private opening = 0;

  /** @param onBlockedLost one is lost that the client waits for; it is gone already */
  constructor(client: ClientPort, onBlockedLost: (failure: Failure) => void) {
    this.client = client;
    this.onBlockedLost = onBlockedLost;
  }

  /** @throws ServerError */
  open(server: ProxiedServer): Promise<Own> {
    const { origin, lane } = this.client;
    const { upstream } = server;
    // A server that is known to be down is not called by every client anew.
    const { refusal } = upstream.connection(lane, FIRST_KIND);
    if (refusal !== null) throw new ServerError(refusal.text);
    if (this.all.length + this.opening >= MODULE_OWN_CONNECTIONS_MAX) {
      const text = `a client may have ${MODULE_OWN_CONNECTIONS_MAX} connections of its own, and no more`;
      throw new ServerError(text);
    }
    const lease = upstream.lease(FIRST_KIND, origin);
    if (lease === null) throw new ServerError(upstream.whyNoLease(origin));
    this.opening++;
    return new Promise((resolve, reject) => {
      lease.whenReady((failure) => {
        this.opening--;
        if (failure !== null) reject(new ServerError(failure.text));
        else if (this.client.isOpen) resolve(this.add(new Own(this, ++this.ids, server, lease)));
        else {
          lease.release(false);
          reject(new ServerError("the client is gone"));
        }
      });
    });
  }

  private add(own: Own): Own {
    this.all = [...this.all, own];
    own.lease.whenLost = (failure) => {
      const { isBlocked } = own;
      this.remove(own);
      if (isBlocked) this.onBlockedLost(failure);
    };
    return own;
  }

  remove(own: Own): void {
    own.isBlocked = false;
    this.all = this.all.filter((other) => other !== own);
  }

  get blocked(): readonly Own[] {
    return this.all.filter(({ isBlocked }) => isBlocked);
  }

  closeAll(): void {
    for (const own of this.all) own.close();
  }

  // Moving

  get areMovable(): boolean {
    return this.opening === 0 && this.all.every(({ lease }) => lease.isMovable);
  }

  get descriptors(): readonly number[] {
    return this.all.map(({ lease }) => lease.fd);
  }

  save(): readonly SavedOwn[] {
    return this.all.map(({ id, isBlocked, server }) => ({
      ...{ id, isBlocked, member: server.upstream.member },
    }));
  }

  /**
   * Goes on with those that another process has left.
   * @param descriptors in the order of `saved`; all are this one's
   * @param sink token 0 of it gets the replies that are awaited: see `sinkOf`
   * @returns whether all that are blocked are there
   */
  adopt(
    servers: ProxiedServers,
    saved: readonly SavedOwn[],
    descriptors: readonly number[],
    sinkOf: (own: Own) => ReplySink,
  ): boolean {
    let areThere = true;
    for (const [index, { id, member, isBlocked }] of saved.entries()) {
      this.ids = Math.max(this.ids, id);
      const fd = descriptors[index];
      const server = servers.named(member);
      const lease =
        fd === undefined ? undefined : server?.upstream.adopt(fd, FIRST_KIND, this.client.origin);
      if (server === undefined && fd !== undefined) closeFd(fd);
      if (server === undefined || lease === undefined || lease.refusal !== null) {
        if (isBlocked) areThere = false;
        continue;
      }
      const own = this.add(new Own(this, id, server, lease));
      if (!isBlocked) continue;
      own.isBlocked = true;
      lease.mayBlock = true;
      lease.expect(sinkOf(own), 0);
    }
    for (const [index, fd] of descriptors.entries()) if (index >= saved.length) closeFd(fd);
    return areThere;
  }

  leave(): void {
    for (const { lease } of this.all) lease.leave();
    this.all = [];
  }
}
