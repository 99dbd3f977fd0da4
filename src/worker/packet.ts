/** The packets in which sessions travel; see PacketHead in src/api/control.ts. */
import { PACKET_BYTES_MAX, PART_FORMAT, type PacketHead } from "../api/control.ts";
import type { PartPacket, SavedSession } from "../api/move.ts";
import { copyOf } from "../base/copy-of.ts";
import { REQUEST_BYTES_MAX, SESSION_OUTPUT_MAX_BYTES } from "../base/limits.ts";
import { packetDescriptors } from "../base/packet-descriptors.ts";
import { closeFd } from "../os/fd.ts";
import { peekPacket, receivePacket, sendPacket } from "../os/fd-passing.ts";
import { createSharedMemory, readSharedMemory, writeSharedMemory } from "../os/shared-memory.ts";

const LF = 10;
const NONE: Buffer = Buffer.alloc(0);

/** A longer state of a client is put where there is room for it. */
const CLIENT_INLINE_BYTES_MAX = PACKET_BYTES_MAX / 2;

/** What of a packet's head its sender knows. The format is at least what the session's frontend says that it needs. */
export type PacketMarks = Pick<
  PacketHead,
  "format" | "pool" | "group" | "isLast" | "part" | "connections" | "link" | "names"
>;

/** What stands in a packet's head of a part of a group. */
export function marksOfPart(format: number, { about, connection }: PartPacket): object {
  if (format < PART_FORMAT) return about;
  return { part: about, connections: connection === null ? 0 : 1 };
}

/** Of a part of a group: what it says of itself, and its connections. Null: the packet is a client, or the end of a group. */
function partIn(head: PacketHead): { about: object; connections: number } | null {
  const { part, connections = 0, link, names } = head;
  if (part !== undefined) return { about: part, connections };
  if (names !== undefined) return { about: { names }, connections: 0 };
  return link === undefined ? null : { about: { link }, connections: 1 };
}

/**
 * Sends `saved` with the client's connection, or that of a part. What is too long for a packet goes in a memory
 * file.
 * @returns false when the socket is full. @throws OsError of `sendPacket`, or of making the memory file
 */
export function sendSession(
  socket: number,
  { group, ...marks }: PacketMarks,
  connection: number | null,
  saved: SavedSession,
): boolean {
  const { input, output, descriptors, record } = saved;
  const state = JSON.stringify(saved.client);
  const stateBytes = Buffer.byteLength(state);
  const isLong = marks.format >= 2 && stateBytes > CLIENT_INLINE_BYTES_MAX;
  const body = isLong ? [input, output, Buffer.from(state)] : [input, output];
  const bodyBytes = body.reduce((sum, { length }) => sum + length, 0);
  const line = (isInline: boolean): string => {
    const head: Omit<PacketHead, "client"> = {
      ...(group === undefined ? {} : { group }),
      ...{ ...marks, isInline, inputBytes: input.length, outputBytes: output.length },
      ...{ clientBytes: isLong ? stateBytes : 0, descriptors: descriptors.length },
      ...(record === undefined ? {} : { record }),
    };
    // What is known of the client is JSON already.
    const fields = JSON.stringify(head);
    return `${fields.substring(0, fields.length - 1)},"client":${isLong ? null : state}}\n`;
  };
  const fds = connection === null ? descriptors : [connection, ...descriptors];
  if (bodyBytes < PACKET_BYTES_MAX) {
    const whole = Buffer.from(line(true));
    if (whole.length + bodyBytes <= PACKET_BYTES_MAX) {
      return sendPacket(socket, bodyBytes === 0 ? whole : Buffer.concat([whole, ...body]), fds);
    }
  }
  const memory = createSharedMemory("proxy-parcel", bodyBytes);
  try {
    let position = 0;
    for (const part of body) {
      writeSharedMemory(memory, part, position);
      position += part.length;
    }
    return sendPacket(socket, Buffer.from(line(false)), [...fds, memory]);
  } finally {
    closeFd(memory);
  }
}

export interface ReceivedSession {
  readonly head: PacketHead;
  /** Not null: no client but a part of the packet's group, and what it says of itself. */
  readonly part: object | null;
  /** The client's connection, or the part's; the caller owns it. -1: there is none. */
  readonly connection: number;
  readonly input: Buffer;
  readonly output: Buffer;
  /** What the session had of its own; the caller owns them. */
  readonly descriptors: readonly number[];
}

/** What was taken off the socket and not looked at yet: its bytes are kept until the next one is taken. */
export interface TakenPacket {
  readonly length: number;
  /** The caller owns them. */
  readonly fds: readonly number[];
  readonly isCut: boolean;
}

/** What is with a session at the most; more is no session. */
const BODY_BYTES_MAX = REQUEST_BYTES_MAX + SESSION_OUTPUT_MAX_BYTES;

const packetBytes: Buffer = Buffer.allocUnsafeSlow(PACKET_BYTES_MAX);

/** Takes one packet; null: none waits. @throws OsError */
export function takePacket(socket: number): TakenPacket | null {
  return receivePacket(socket, packetBytes);
}

/** @returns how many descriptors the next packet has, or more; 0: none waits. @throws OsError */
export function peekDescriptors(socket: number): number {
  const length = peekPacket(socket, packetBytes);
  return length === 0 ? 0 : packetDescriptors(packetBytes, length);
}

/** A packet in which no session is, or not all of one. */
export class PacketError extends Error {}

/**
 * Reads what `takePacket` took last. The packet's descriptors are then the session's.
 * @throws PacketError, or OsError when its memory file cannot be read: the descriptors stay the packet's, and it may be read again
 */
export function readPacket({ length, fds, isCut }: TakenPacket): ReceivedSession {
  const lineEnd = packetBytes.indexOf(LF);
  if (lineEnd < 0 || lineEnd >= length) throw new PacketError("the packet has no head");
  const head = headIn(packetBytes.toString("utf8", 0, lineEnd));
  const { descriptors = 0, isInline, isLast = false } = head;
  const part = partIn(head);
  const connections = part?.connections ?? (isLast ? 0 : 1);
  const needed = connections + descriptors + (isInline ? 0 : 1);
  if (isCut || fds.length < needed) {
    throw new PacketError(`of its ${needed} descriptors, ${fds.length} came`);
  }
  const others = [...fds];
  const [connection = -1] = others.splice(0, connections);
  const own = others.splice(0, descriptors);
  const { inputBytes, outputBytes, clientBytes = 0 } = head;
  const bodyBytes = inputBytes + outputBytes + clientBytes;
  const memory = isInline ? undefined : others[0];
  if (bodyBytes > (isInline ? length - lineEnd - 1 : BODY_BYTES_MAX)) {
    throw new PacketError(`of its ${bodyBytes} bytes not all are there`);
  }
  let body = NONE;
  if (memory !== undefined) {
    body = Buffer.allocUnsafeSlow(bodyBytes);
    readSharedMemory(memory, body, 0);
  } else if (bodyBytes > 0) {
    body = packetBytes.subarray(lineEnd + 1, lineEnd + 1 + bodyBytes);
  }
  const input = inputBytes === 0 ? NONE : copyOf(body, 0, inputBytes);
  const output = outputBytes === 0 ? NONE : copyOf(body, inputBytes, inputBytes + outputBytes);
  const state = body.toString("utf8", inputBytes + outputBytes);
  const client = clientBytes === 0 ? head.client : parse(state);
  // More than it needs are not its own.
  for (const fd of others) closeFd(fd);
  const about = part?.about ?? null;
  return {
    head: { ...head, client },
    part: about,
    connection,
    descriptors: own,
    input,
    output,
  };
}

/** @throws PacketError: a field that says how the packet is read is not what it must be */
function headIn(json: string): PacketHead {
  const head = parse(json) as PacketHead | null;
  if (typeof head !== "object" || head === null) throw new PacketError("its head is no object");
  const {
    format,
    inputBytes,
    outputBytes,
    clientBytes = 0,
    descriptors = 0,
    connections = 0,
  } = head;
  const counts = [format, inputBytes, outputBytes, clientBytes, descriptors, connections];
  const isSound =
    counts.every((count) => Number.isSafeInteger(count) && count >= 0) &&
    typeof head.pool === "string" &&
    typeof head.isInline === "boolean" &&
    isObjectOrAbsent(head.record) &&
    isObjectOrAbsent(head.part);
  if (!isSound) throw new PacketError("its head is not understood");
  return head;
}

function isObjectOrAbsent(value: unknown): boolean {
  return value === undefined || (typeof value === "object" && value !== null);
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    throw new PacketError("what it says of the client is no JSON");
  }
}
