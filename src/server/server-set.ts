/**
 * The servers of one pool, kept in step with its topology.
 *
 * Each gets a number that is small, so that arrays may be indexed by it, and never stands for another server in this process.
 */
import type { Member } from "../api/topology.ts";

/** A server, as far as it comes and goes. */
export interface SetServer {
  readonly member: string;
  /**
   * It is no longer one of the pool's: takes no new requests, and is closed when those that it has are answered. `onClosed` is
   * called then, maybe at once.
   */
  retire(onClosed: () => void): void;
  close(): void;
}

export interface ServerChanges<Server> {
  readonly added: readonly Server[];
  readonly gone: readonly Server[];
}

export class ServerSet<Server extends SetServer> {
  /** In the topology's order. Another array after each change. */
  all: readonly Server[] = [];
  private readonly create: (member: Member, id: number) => Server;
  private nextId = 0;
  /** They are no longer the pool's, and may still have requests. */
  private readonly retired: Set<Server> = new Set();

  constructor(create: (member: Member, id: number) => Server) {
    this.create = create;
  }

  /**
   * Members with a known id keep their server; a server whose member has left is retired.
   * @param announce hears of the change when `all` is up to date, and before servers are retired: requests that those give up
   *   shall find their way already
   */
  update(
    members: readonly Member[],
    announce: (changes: ServerChanges<Server>) => void = () => {},
  ): ServerChanges<Server> {
    const known = new Map(this.all.map((server) => [server.member, server]));
    const added: Server[] = [];
    this.all = members.map((member) => {
      const found = known.get(member.id);
      known.delete(member.id);
      if (found !== undefined) return found;
      const made = this.create(member, this.nextId++);
      added.push(made);
      return made;
    });
    const gone = [...known.values()];
    for (const server of gone) this.retired.add(server);
    announce({ added, gone });
    for (const server of gone) server.retire(() => this.retired.delete(server));
    return { added, gone };
  }

  close(): void {
    for (const server of [...this.all, ...this.retired]) server.close();
  }
}
