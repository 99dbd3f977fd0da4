/** A client that is, or is about to be, subscribed to something. */
import type { RedisFrontend } from "../redis-frontend.ts";
import type { Hub } from "./hub.ts";
import type { Kind } from "./kinds.ts";
import type { Topic } from "./topic.ts";

/** Who a hub's clients are for the servers; see RedisClientState. */
export interface ServerUser {
  readonly user: string | null;
  readonly password: string | null;
}

/** What must survive a move to another process. Names: one character per byte. */
export interface SavedSubscriptions {
  /** Its hub's id: clients of one hub stay together. */
  readonly hub: string;
  readonly as: ServerUser;
  readonly channels: readonly string[];
  readonly patterns: readonly string[];
  readonly shards: readonly string[];
}

/** RESP3 clients get the same bytes as RESP2 clients, but for the first one. */
const PUSH: Buffer = Buffer.from(">");

export class Subscriber {
  readonly client: RedisFrontend;
  readonly hub: Hub;
  /** What it is subscribed to, by name, in the order in which it was. */
  readonly topics: Readonly<Record<Kind, Map<string, Topic>>> = {
    channel: new Map(),
    pattern: new Map(),
    shard: new Map(),
  };
  /** What it is about to unsubscribe from. */
  readonly leaving: Set<Topic> = new Set();
  /** The client has closed. */
  isGone = false;

  constructor(client: RedisFrontend, hub: Hub) {
    this.client = client;
    this.hub = hub;
  }

  get total(): number {
    const { channel, pattern, shard } = this.topics;
    return channel.size + pattern.size + shard.size;
  }

  /** What confirmations of `kind` count: channels and patterns together, shard channels apart. */
  count(kind: Kind): number {
    const { channel, pattern, shard } = this.topics;
    return kind === "shard" ? shard.size : channel.size + pattern.size;
  }

  /** Gives the client bytes[start, end), a message in RESP2. */
  deliver(bytes: Buffer, start: number, end: number): void {
    const { session, state } = this.client;
    if (state.version === 2) {
      session.push(bytes, start, end);
      return;
    }
    session.push(PUSH, 0, 1);
    session.push(bytes, start + 1, end);
  }

  save(): SavedSubscriptions {
    const { channel, pattern, shard } = this.topics;
    return {
      ...{ hub: this.hub.id, as: this.hub.options.as },
      channels: [...channel.keys()],
      patterns: [...pattern.keys()],
      shards: [...shard.keys()],
    };
  }
}
