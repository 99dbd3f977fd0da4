/**
 * Moves a hub (src/session/redis/pubsub) with all clients that are subscribed through it.
 *
 * All go to one worker: first the connections to servers, which nobody has read since all clients were ready, then the
 * clients, then the word that these were all. What servers send meanwhile waits in the kernel; the receiver reads on when it
 * has that word.
 */
import { closeFd } from "../os/fd.ts";
import type { Hub } from "../session/redis/pubsub/hub.ts";
import type { Link, SavedTopic } from "../session/redis/pubsub/link.ts";
import type { Session } from "../session/session.ts";
import { type ReceivedSession, sendSession } from "./parcel.ts";
import type { PoolPlane } from "./pool-plane.ts";

const NONE: Buffer = Buffer.alloc(0);

/** What is on its way to another worker and is no client. */
export interface Packet {
  /** @returns false: the socket is full. @throws OsError: nobody is there any more */
  send(socket: number, format: number): boolean;
}

export class HubMove {
  /** They wait for each other. */
  readonly members: Set<Session>;
  readonly id: string;

  private readonly pool: string;
  private readonly hub: Hub;

  constructor(pool: string, hub: Hub) {
    this.pool = pool;
    this.hub = hub;
    this.id = hub.id;
    this.members = new Set([...hub.subscribers].map(({ client }) => client.session));
  }

  get isReady(): boolean {
    for (const session of this.members) {
      if (session.canMove && !session.isReadyToMove) return false;
    }
    return this.hub.links.areQuiet;
  }

  /** Servers have had the time to answer. Those that have not shall keep nobody. */
  forsakeServers(): void {
    this.hub.links.forsakeBusy();
  }

  /** The others do not wait for those any more. @returns them; they get no more messages here */
  leaveBehind(): Session[] {
    this.forsakeServers();
    const late = [...this.members].filter((session) => !session.isReadyToMove);
    for (const session of late) this.members.delete(session);
    return late;
  }

  /** Stops reading what servers send. @returns what goes before the clients */
  begin(): Packet[] {
    return this.hub.links.pause().map((link) => this.packetOf(link));
  }

  /** What goes behind the clients. */
  get last(): Packet {
    const { pool, id } = this;
    const nothing = { client: null, input: NONE, output: NONE, descriptors: [] };
    return {
      send: (socket, format) =>
        sendSession(socket, { format, pool, group: id, isLast: true }, null, nothing),
    };
  }

  private packetOf({ connection, upstream, topics }: Link): Packet {
    const { pool, id } = this;
    const saved = {
      ...{ client: null, input: connection.unread, descriptors: [] },
      output: Buffer.from(JSON.stringify(topics)),
    };
    const link = { server: upstream.name, address: upstream.address };
    return {
      send(socket, format) {
        // Lost in the meantime: the receiver makes a new one.
        if (!connection.isUp) return true;
        const marks = { format, pool, group: id, link };
        if (!sendSession(socket, marks, connection.fd, saved)) return false;
        connection.leave();
        return true;
      },
    };
  }
}

/** Takes what goes before and behind the clients of a hub. Its descriptor becomes the pool's. */
export function adoptHub({ hubs, route }: PoolPlane, received: ReceivedSession): void {
  const { parcel, connection, input, output } = received;
  const { group = "", link } = parcel;
  if (link === undefined) {
    // Not before the clients are there that came just now.
    setImmediate(() => hubs.start(group));
    return;
  }
  const upstream = route.upstreams.find(
    ({ name, address }) => name === link.server && address === link.address,
  );
  if (upstream === undefined) {
    closeFd(connection);
    return;
  }
  const topics = JSON.parse(output.toString()) as SavedTopic[];
  hubs.arrive(group, { upstream, left: { fd: connection, unread: input }, topics });
}
