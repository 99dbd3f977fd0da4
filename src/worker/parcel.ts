/** The packets in which sessions travel; see SessionParcel in src/api/control.ts. */
import { readSync, writeSync } from "node:fs";
import { PARCEL_BYTES_MAX, type SessionParcel } from "../api/control.ts";
import { copyOf } from "../base/copy-of.ts";
import { closeFd } from "../os/fd.ts";
import { receiveParcel, sendParcel } from "../os/fd-passing.ts";
import { createSharedMemory } from "../os/shared-memory.ts";
import type { SavedSession } from "../session/session-host.ts";

const LF = 10;

/** A longer state of a client is put where there is room for it. */
const CLIENT_INLINE_BYTES_MAX = PARCEL_BYTES_MAX / 2;

/** What of a parcel's head its sender knows. The format is at least what the session's frontend says that it needs. */
export type ParcelMarks = Pick<
  SessionParcel,
  "format" | "pool" | "group" | "link" | "isLast" | "names"
>;

/**
 * Sends `saved` with the client's connection, or the one that `marks` tell of. What is too long for a packet goes in a memory
 * file.
 * @returns false when the socket is full. @throws OsError when the other end is gone.
 */
export function sendSession(
  socket: number,
  { group, ...marks }: ParcelMarks,
  connection: number | null,
  saved: SavedSession,
): boolean {
  const { client, input, output, descriptors } = saved;
  const state = Buffer.from(JSON.stringify(client));
  const isLong = marks.format >= 2 && state.length > CLIENT_INLINE_BYTES_MAX;
  const body = isLong ? [input, output, state] : [input, output];
  const packet = (isInline: boolean): Buffer => {
    const head: SessionParcel = {
      ...(group === undefined ? {} : { group }),
      ...{ ...marks, client: isLong ? null : client, isInline },
      ...{ inputBytes: input.length, outputBytes: output.length },
      ...{ clientBytes: isLong ? state.length : 0, descriptors: descriptors.length },
    };
    const line = Buffer.from(`${JSON.stringify(head)}\n`);
    return isInline ? Buffer.concat([line, ...body]) : line;
  };
  const fds = connection === null ? descriptors : [connection, ...descriptors];
  const bodyBytes = body.reduce((sum, { length }) => sum + length, 0);
  const whole = bodyBytes < PARCEL_BYTES_MAX ? packet(true) : null;
  if (whole !== null && whole.length <= PARCEL_BYTES_MAX) return sendParcel(socket, whole, fds);
  const memory = createSharedMemory("proxy-parcel", bodyBytes);
  try {
    let position = 0;
    for (const part of body) {
      writeAll(memory, part, position);
      position += part.length;
    }
    return sendParcel(socket, packet(false), [...fds, memory]);
  } finally {
    closeFd(memory);
  }
}

export interface ReceivedSession {
  readonly parcel: SessionParcel;
  /** The client's connection, or the one that the parcel tells of; the caller owns it. -1: there is none. */
  readonly connection: number;
  readonly input: Buffer;
  readonly output: Buffer;
  /** What the session had of its own; the caller owns them. */
  readonly descriptors: readonly number[];
}

const packet: Buffer = Buffer.allocUnsafeSlow(PARCEL_BYTES_MAX);

/** Takes one session; null: none waits, or what came was none (its descriptors are closed). @throws OsError */
export function receiveSession(socket: number): ReceivedSession | null {
  const received = receiveParcel(socket, packet);
  if (received === null) return null;
  const lineEnd = packet.indexOf(LF);
  const isHeadWhole = lineEnd >= 0 && lineEnd < received.length;
  const parcel = isHeadWhole
    ? (JSON.parse(packet.toString("utf8", 0, lineEnd)) as SessionParcel)
    : null;
  const { descriptors = 0, isInline = true, isLast = false, names } = parcel ?? {};
  const needed = (isLast || names !== undefined ? 0 : 1) + descriptors + (isInline ? 0 : 1);
  // Fewer come when this process is out of them.
  if (parcel === null || received.fds.length < needed) {
    for (const fd of received.fds) closeFd(fd);
    return null;
  }
  const others = [...received.fds];
  const connection = isLast || names !== undefined ? -1 : others.shift()!;
  const own = others.splice(0, descriptors);
  const [memory] = others;
  const { inputBytes, outputBytes, clientBytes = 0 } = parcel;
  const body = Buffer.allocUnsafeSlow(inputBytes + outputBytes + clientBytes);
  if (memory === undefined) packet.copy(body, 0, lineEnd + 1);
  else {
    readAll(memory, body, 0);
    closeFd(memory);
  }
  const input = copyOf(body, 0, inputBytes);
  const output = copyOf(body, inputBytes, inputBytes + outputBytes);
  const state = body.toString("utf8", inputBytes + outputBytes);
  const client: unknown = clientBytes === 0 ? parcel.client : JSON.parse(state);
  return { parcel: { ...parcel, client }, connection, descriptors: own, input, output };
}

function writeAll(fd: number, bytes: Buffer, position: number): void {
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(fd, bytes, done, bytes.length - done, position + done);
  }
}

function readAll(fd: number, bytes: Buffer, position: number): void {
  for (let done = 0; done < bytes.length; ) {
    done += readSync(fd, bytes, done, bytes.length - done, position + done);
  }
}
