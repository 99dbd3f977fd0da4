/**
 * Moves a shared subscription with all clients that are subscribed through it.
 *
 * All go to one worker: first the connections to servers, which have not been read since all clients were ready, and what is
 * subscribed on them, then the clients, each with the names that it is subscribed to. What servers send meanwhile waits in the
 * kernel; the receiver reads on when it has heard that these were all.
 *
 * Names may be hundreds of thousands. From format 3 of packets on they go in packets of their own, as many in one as a worker
 * deals with in one turn of its event loop; before, they are part of what is said of a connection or a client.
 */
import type { ClientPort } from "../../../../api/client-port.ts";
import type { GroupMove, GroupPart, PartPacket, ReceivedPart } from "../../../../api/move.ts";
import { closeFd } from "../../../../os/fd.ts";
import { placeOf, type SavedPlace, serverAt } from "../place.ts";
import type { RedisPool } from "../redis-pool.ts";
import { KINDS, type Kind } from "./kinds.ts";
import { namesByServers, namesOfSubscriber, topicsOn } from "./leaving-names.ts";
import type { ServerSubscription } from "./server-subscription.ts";
import type { SharedSubscription } from "./shared-subscription.ts";
import type { Subscriber } from "./subscriber.ts";

/** From this format of packets on, names that clients are subscribed to have packets of their own. */
const NAMES_FORMAT = 3;
const NONE: Buffer = Buffer.alloc(0);

/**
 * What a part says of itself. `link`: its connection leads to this server, its input is what was received over it, and its
 * output, before NAMES_FORMAT, a JSON list of what is subscribed there. `names`: its output is a JSON list of names, one
 * character per byte: some of those that the client of this id, whose packet came before, is subscribed to, or that are
 * subscribed on the connections to these servers.
 */
interface AboutPart {
  readonly link?: SavedPlace;
  readonly names?: {
    readonly kind: Kind;
    readonly client?: number;
    readonly servers?: readonly SavedPlace[];
  };
}

type SomeNames = readonly [head: NonNullable<AboutPart["names"]>, names: readonly string[]];

export class SubscriptionMove implements GroupMove {
  readonly members: Set<ClientPort>;
  readonly id: string;
  private readonly shared: SharedSubscription;
  private readonly format: number;

  /** @param format see PACKET_FORMATS */
  constructor(shared: SharedSubscription, format: number) {
    this.shared = shared;
    this.format = format;
    this.id = shared.id;
    this.members = new Set([...shared.subscribers].map(({ client }) => client.session));
  }

  get isReady(): boolean {
    if (!this.shared.isQuiet) return false;
    for (const session of this.members) {
      if (session.canMove && !session.isReadyToMove) return false;
    }
    return true;
  }

  abandonServers(): void {
    this.shared.subscriptions.abandonBusy();
  }

  /** They get no more messages here. */
  leaveBehind(): ClientPort[] {
    this.abandonServers();
    const late = [...this.members].filter((session) => !session.isReadyToMove);
    for (const session of late) this.members.delete(session);
    return late;
  }

  /** Stops reading what servers send. */
  begin(): (ClientPort | GroupPart)[] {
    const { shared, members } = this;
    const namesFollow = this.format >= NAMES_FORMAT;
    const subscriptions = shared.beginToLeave(namesFollow);
    const parts: (ClientPort | GroupPart)[] = subscriptions.map(
      (subscription) => new ConnectionPart(shared, subscription, namesFollow),
    );
    if (namesFollow) parts.push(new NamesPart(namesOnServers(shared, subscriptions)));
    for (const subscriber of shared.subscribers) {
      const { session } = subscriber.client;
      if (!members.has(session)) continue;
      parts.push(session);
      if (namesFollow) parts.push(new NamesPart(namesOfClient(subscriber)));
    }
    return parts;
  }
}

/** A connection to a server, with what is subscribed on it. */
class ConnectionPart implements GroupPart {
  private readonly shared: SharedSubscription;
  private readonly subscription: ServerSubscription;
  private readonly namesFollow: boolean;
  private isSent = false;

  constructor(shared: SharedSubscription, subscription: ServerSubscription, namesFollow: boolean) {
    this.shared = shared;
    this.subscription = subscription;
    this.namesFollow = namesFollow;
  }

  get next(): PartPacket | null {
    const { shared, subscription } = this;
    const { connection, upstream } = subscription;
    // Lost in the meantime: the receiver makes a new one.
    if (this.isSent || !connection.isUp) return null;
    const topics = this.namesFollow ? [] : topicsOn(shared, subscription);
    const about: AboutPart = { link: placeOf(upstream) };
    const output = Buffer.from(JSON.stringify(topics));
    return { about, connection: connection.fd, input: connection.unread, output };
  }

  onSent(): void {
    this.isSent = true;
    this.subscription.connection.leave();
  }
}

/** Names, in as many packets as they take. */
class NamesPart implements GroupPart {
  private readonly source: Iterator<SomeNames>;
  private packet: PartPacket | null | undefined;

  constructor(source: Iterable<SomeNames>) {
    this.source = source[Symbol.iterator]();
  }

  get next(): PartPacket | null {
    if (this.packet === undefined) this.packet = this.readNext();
    return this.packet;
  }

  private readNext(): PartPacket | null {
    const { done, value } = this.source.next();
    if (done === true) return null;
    const [names, list] = value as SomeNames;
    const about: AboutPart = { names };
    return { about, connection: null, input: NONE, output: Buffer.from(JSON.stringify(list)) };
  }

  onSent(): void {
    this.packet = undefined;
  }
}

function* namesOnServers(
  shared: SharedSubscription,
  subscriptions: readonly ServerSubscription[],
): Generator<SomeNames, void> {
  for (const { kind, names, upstreams } of namesByServers(shared, subscriptions)) {
    yield [{ kind, servers: upstreams.map(placeOf) }, names];
  }
}

function* namesOfClient(subscriber: Subscriber): Generator<SomeNames, void> {
  const { id } = subscriber.client.state;
  for (const [kind, names] of namesOfSubscriber(subscriber)) yield [{ kind, client: id }, names];
}

/** Takes what goes before, between and behind the clients of a shared subscription. Its descriptor becomes the pool's. */
export function adoptSubscriptionPart(
  { sharedSubscriptions, route }: RedisPool,
  part: ReceivedPart,
): void {
  const { group, connection, input, output } = part;
  const { link: place, names } = part.about as AboutPart;
  const { arrivals } = sharedSubscriptions;
  if (names !== undefined) {
    const list = JSON.parse(output.toString()) as string[];
    const { kind, client, servers = [] } = names;
    if (client !== undefined) {
      arrivals.addNames(group, client, kind, list);
      return;
    }
    const upstreams = servers
      .map((at) => serverAt(route, at))
      .filter((found) => found !== undefined);
    arrivals.addList(group, { kind, names: list, upstreams });
    return;
  }
  const upstream = place === undefined ? undefined : serverAt(route, place);
  if (upstream === undefined) {
    if (connection >= 0) closeFd(connection);
    return;
  }
  arrivals.addConnection(group, { upstream, left: { fd: connection, unread: input } });
  // Before format 3 a connection says itself what is subscribed on it.
  const topics = JSON.parse(output.toString()) as [Kind, string][];
  for (const kind of KINDS) {
    const ofKind = topics.filter((topic) => topic[0] === kind).map(([, name]) => name);
    if (ofKind.length > 0) arrivals.addList(group, { kind, names: ofKind, upstreams: [upstream] });
  }
}
