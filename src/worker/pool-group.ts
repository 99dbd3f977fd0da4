/** A group of one pool's clients that move together, as packets. */
import type { GroupMove, GroupPart } from "../api/move.ts";
import type { Session } from "../client/session.ts";
import { marksOfPart, sendSession } from "./packet.ts";

const NONE: Buffer = Buffer.alloc(0);
const NO_CLIENT = { client: null, descriptors: [] };

/** What is on its way to another worker and is no client. */
export interface OutgoingPacket {
  /** @returns false: the socket is full. @throws OsError of `sendSession` */
  send(socket: number, format: number): boolean;
  /** There is more of it: `send` is to be called again. */
  readonly hasMore?: boolean;
}

export class PoolGroup {
  readonly pool: string;
  private readonly move: GroupMove;

  constructor(pool: string, move: GroupMove) {
    this.pool = pool;
    this.move = move;
  }

  get id(): string {
    return this.move.id;
  }

  /** They wait for each other. */
  get members(): Set<Session> {
    // What a protocol module knows as its clients are sessions.
    return this.move.members as Set<Session>;
  }

  get isReady(): boolean {
    return this.move.isReady;
  }

  abandonServers(): void {
    this.move.abandonServers();
  }

  leaveBehind(): Session[] {
    return this.move.leaveBehind() as Session[];
  }

  /** @returns what goes, in this order */
  begin(): (Session | OutgoingPacket)[] {
    const items = this.move
      .begin()
      .map((item) => ("next" in item ? this.packetOf(item) : (item as Session)));
    return [...items, this.last];
  }

  private packetOf(part: GroupPart): OutgoingPacket {
    const { pool, id } = this;
    return {
      get hasMore() {
        return part.next !== null;
      },
      send(socket, format) {
        const { next } = part;
        if (next === null) return true;
        const marks = { format, pool, group: id, ...marksOfPart(format, next) };
        const { connection, input, output } = next;
        if (!sendSession(socket, marks, connection, { ...NO_CLIENT, input, output })) return false;
        part.onSent();
        return true;
      },
    };
  }

  /** What goes behind all others. */
  private get last(): OutgoingPacket {
    const { pool, id } = this;
    const nothing = { ...NO_CLIENT, input: NONE, output: NONE };
    return {
      send: (socket, format) =>
        sendSession(socket, { format, pool, group: id, isLast: true }, null, nothing),
    };
  }
}
