/**
 * Moves a hub (src/session/redis/pubsub) with all clients that are subscribed through it.
 *
 * All go to one worker: first the connections to servers, which have not been read since all clients were ready, and what is
 * subscribed on them, then the clients, each with the names that it is subscribed to, then the word that these were all. What
 * servers send meanwhile waits in the kernel; the receiver reads on when it has that word.
 *
 * Names may be hundreds of thousands. From format 3 of parcels on they go in parcels of their own, as many in one as a worker
 * deals with in one turn of its event loop; before, they are part of what is said of a connection or a client.
 */
import type { SessionParcel } from "../api/control.ts";
import { NAMES_FORMAT } from "../api/control.ts";
import { closeFd } from "../os/fd.ts";
import type { Hub } from "../session/redis/pubsub/hub.ts";
import { KINDS, type Kind } from "../session/redis/pubsub/kinds.ts";
import {
  namesByServers,
  namesOfSubscriber,
  topicsOn,
} from "../session/redis/pubsub/leaving-names.ts";
import type { Link } from "../session/redis/pubsub/link.ts";
import type { Subscriber } from "../session/redis/pubsub/subscriber.ts";
import type { Session } from "../session/session.ts";
import { type ReceivedSession, sendSession } from "./parcel.ts";
import type { PoolPlane } from "./pool-plane.ts";

const NONE: Buffer = Buffer.alloc(0);

/** What is on its way to another worker and is no client. */
export interface Packet {
  /** @returns false: the socket is full. @throws OsError of `sendSession` */
  send(socket: number, format: number): boolean;
  /** There is more of it: `send` is to be called again. */
  readonly hasMore?: boolean;
}

type NamesHead = NonNullable<SessionParcel["names"]>;
type SomeNames = readonly [head: NamesHead, names: readonly string[]];

export class HubMove {
  /** They wait for each other. */
  readonly members: Set<Session>;
  readonly id: string;

  readonly pool: string;
  private readonly hub: Hub;
  private readonly format: number;

  constructor(pool: string, hub: Hub, format: number) {
    this.pool = pool;
    this.hub = hub;
    this.format = format;
    this.id = hub.id;
    this.members = new Set([...hub.subscribers].map(({ client }) => client.session));
  }

  get isReady(): boolean {
    if (!this.hub.isQuiet) return false;
    for (const session of this.members) {
      if (session.canMove && !session.isReadyToMove) return false;
    }
    return true;
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

  /** Stops reading what servers send. @returns what goes, in this order */
  begin(): (Session | Packet)[] {
    const { hub, members } = this;
    const namesFollow = this.format >= NAMES_FORMAT;
    const links = hub.beginToLeave(namesFollow);
    const parts: (Session | Packet)[] = links.map((link) => this.packetOf(link, namesFollow));
    if (namesFollow) parts.push(this.namesPacket(namesOnServers(hub, links)));
    for (const subscriber of hub.subscribers) {
      const { session } = subscriber.client;
      if (!members.has(session)) continue;
      parts.push(session);
      if (namesFollow) parts.push(this.namesPacket(namesOfClient(subscriber)));
    }
    parts.push(this.last);
    return parts;
  }

  /** What goes behind the clients. */
  private get last(): Packet {
    const { pool, id } = this;
    const nothing = { client: null, input: NONE, output: NONE, descriptors: [] };
    return {
      send: (socket, format) =>
        sendSession(socket, { format, pool, group: id, isLast: true }, null, nothing),
    };
  }

  private packetOf(link: Link, namesFollow: boolean): Packet {
    const { pool, id, hub } = this;
    const { connection, upstream } = link;
    return {
      send(socket, format) {
        // Lost in the meantime: the receiver makes a new one.
        if (!connection.isUp) return true;
        const topics = namesFollow ? [] : topicsOn(hub, link);
        const saved = {
          ...{ client: null, input: connection.unread, descriptors: [] },
          output: Buffer.from(JSON.stringify(topics)),
        };
        const about = { server: upstream.name, address: upstream.address };
        const marks = { format, pool, group: id, link: about };
        if (!sendSession(socket, marks, connection.fd, saved)) return false;
        connection.leave();
        return true;
      },
    };
  }

  private namesPacket(source: Iterable<SomeNames>): Packet {
    const { pool, id } = this;
    const parts = source[Symbol.iterator]();
    let next: IteratorResult<SomeNames> | null = null;
    return {
      get hasMore() {
        return next === null || next.done !== true;
      },
      send(socket, format) {
        next ??= parts.next();
        if (next.done === true) return true;
        const [names, list] = next.value;
        const saved = { client: null, input: NONE, output: Buffer.from(JSON.stringify(list)) };
        const marks = { format, pool, group: id, names };
        if (!sendSession(socket, marks, null, { ...saved, descriptors: [] })) return false;
        next = parts.next();
        return true;
      },
    };
  }
}

function* namesOnServers(hub: Hub, links: readonly Link[]): Generator<SomeNames, void> {
  for (const { kind, names, upstreams } of namesByServers(hub, links)) {
    const servers = upstreams.map(({ name, address }) => ({ server: name, address }));
    yield [{ kind, servers }, names];
  }
}

function* namesOfClient(subscriber: Subscriber): Generator<SomeNames, void> {
  const { id } = subscriber.client.state;
  for (const [kind, names] of namesOfSubscriber(subscriber)) yield [{ kind, client: id }, names];
}

/** Takes what goes before, between and behind the clients of a hub. Its descriptor becomes the pool's. */
export function adoptHub({ hubs, route }: PoolPlane, received: ReceivedSession): void {
  const { parcel, connection, input, output } = received;
  const { group = "", link, names } = parcel;
  const { arrivals } = hubs;
  const upstreamOf = (server: NonNullable<SessionParcel["link"]>) =>
    route.upstreams.find(
      ({ name, address }) => name === server.server && address === server.address,
    );
  if (names !== undefined) {
    const list = JSON.parse(output.toString()) as string[];
    const kind = names.kind as Kind;
    if (names.client !== undefined) {
      arrivals.addNames(group, names.client, kind, list);
      return;
    }
    const upstreams = (names.servers ?? []).map(upstreamOf).filter((found) => found !== undefined);
    arrivals.addList(group, { kind, names: list, upstreams });
    return;
  }
  if (link === undefined) {
    // Not before the clients are there that came just now.
    setImmediate(() => arrivals.start(group));
    return;
  }
  const upstream = upstreamOf(link);
  if (upstream === undefined) {
    closeFd(connection);
    return;
  }
  arrivals.addLink(group, { upstream, left: { fd: connection, unread: input } });
  // Before format 3 a connection says itself what is subscribed on it.
  const topics = JSON.parse(output.toString()) as [Kind, string][];
  for (const kind of KINDS) {
    const ofKind = topics.filter((topic) => topic[0] === kind).map(([, name]) => name);
    if (ofKind.length > 0) arrivals.addList(group, { kind, names: ofKind, upstreams: [upstream] });
  }
}
