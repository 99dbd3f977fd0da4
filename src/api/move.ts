/** How clients, and what they have of their own, move to another process. */
import type { ClientPort } from "./client-port.ts";

/** The two ends of a client's connection, see `Stream`; a load balancer before the proxy may say others than the connection has. */
export interface ClientAddress {
  readonly peer: string;
  readonly origin: string;
  readonly localAddress: string;
}

/** What is counted of a client while it is connected, however often it moves. Plain JSON data; times in milliseconds, sizes in bytes. */
export interface ClientRecord {
  /** Null: it is its frontend's affair, or it was never asked for. */
  readonly id: number | null;
  readonly ageMs: number;
  readonly idleMs: number;
  readonly requests: number;
  readonly received: number;
  readonly sent: number;
  /** What a PROXY header has said. Absent: the connection's own ends hold. */
  readonly address?: ClientAddress;
  /** Its requests go over connections for clients that move much. */
  readonly isHeavy?: true;
  /** Its PROXY header is awaited, and the input is the part of it that has come. */
  readonly awaitsHeader?: true;
}

/** A session between two processes. */
export interface SavedSession {
  /** The frontend's own, plain JSON data. */
  readonly client: unknown;
  /** Received, not handled. */
  readonly input: Buffer;
  /** Replies that the client has not taken. */
  readonly output: Buffer;
  /** The frontend's: they stay the sender's, and become the receiver's. */
  readonly descriptors: readonly number[];
  /** Absent: the sender is older than this. */
  readonly record?: ClientRecord | undefined;
}

/** Clients of one pool that move together, with what they share. */
export interface GroupMove {
  /** The same in all processes. */
  readonly id: string;
  /** They wait for each other. */
  readonly members: Set<ClientPort>;
  /** All members can move now, and so can what they share. */
  readonly isReady: boolean;
  /** Servers have had the time to answer: from now on the members do not wait for those that have not. */
  abandonServers(): void;
  /** The others do not wait any more for members that are not ready. @returns those; they belong to the group no more */
  leaveBehind(): ClientPort[];
  /** Nothing changes here from now on. @returns what goes, in this order */
  begin(): (ClientPort | GroupPart)[];
}

/** Something of a group that is no client. It may take several packets. */
export interface GroupPart {
  /** The next packet, the same one until `onSent`; null: there is none. */
  readonly next: PartPacket | null;
  /** `next` belongs to another process now, and its connection too. */
  onSent(): void;
}

export interface PartPacket {
  /** The protocol module's own: an object of plain JSON data, without `undefined`. */
  readonly about: object;
  /** A connection that moves along; null: none. It stays the sender's until `onSent`. */
  readonly connection: number | null;
  readonly input: Buffer;
  readonly output: Buffer;
}

/** A PartPacket in the receiver's process. */
export interface ReceivedPart {
  /** The group's id. */
  readonly group: string;
  readonly about: object;
  /** The receiver's; -1: none came. */
  readonly connection: number;
  readonly input: Buffer;
  readonly output: Buffer;
}
