/** The packets in which sessions travel; see SessionParcel in src/api/control.ts. */
import { readSync, writeSync } from "node:fs";
import { PARCEL_BYTES_MAX, type SessionParcel } from "../api/control.ts";
import { closeFd } from "../os/fd.ts";
import { receiveParcel, sendParcel } from "../os/fd-passing.ts";
import { createSharedMemory } from "../os/shared-memory.ts";
import type { SavedSession } from "../session/session-host.ts";

const LF = 10;

/** What of a parcel's head its sender knows. */
export type ParcelMarks = Pick<SessionParcel, "format" | "pool" | "group" | "link" | "isLast">;

/** Longer state of a client travels with the bytes. */
const CLIENT_INLINE_MAX = 16 * 1024;

/**
 * Sends `saved` with the client's connection, or with the one that `marks` tell of. What is too long for a packet goes in a
 * memory file.
 * @returns false when the socket is full. @throws OsError when the other end is gone.
 */
export function sendSession(
  socket: number,
  { group, ...marks }: ParcelMarks,
  connection: number | null,
  { client, input, output, descriptors }: SavedSession,
): boolean {
  const text = Buffer.from(JSON.stringify(client));
  const isLong = text.length > CLIENT_INLINE_MAX;
  const body = isLong ? [text, input, output] : [input, output];
  const packet = (isInline: boolean, ...rest: Buffer[]): Buffer => {
    const head: SessionParcel = {
      ...(group === undefined ? {} : { group }),
      ...{ ...marks, client: isLong ? null : client },
      ...(isLong ? { clientBytes: text.length } : {}),
      ...{ inputBytes: input.length, outputBytes: output.length, isInline },
      descriptors: descriptors.length,
    };
    return Buffer.concat([Buffer.from(`${JSON.stringify(head)}\n`), ...rest]);
  };
  const fds = connection === null ? descriptors : [connection, ...descriptors];
  const whole = packet(true, ...body);
  if (whole.length <= PARCEL_BYTES_MAX) return sendParcel(socket, whole, fds);
  const memory = createSharedMemory(
    "proxy-parcel",
    body.reduce((sum, { length }) => sum + length, 0),
  );
  try {
    let position = 0;
    for (const bytes of body) {
      writeAll(memory, bytes, position);
      position += bytes.length;
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
  /** `parcel.client`, wherever it stood. */
  readonly client: unknown;
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
  if (lineEnd < 0 || lineEnd >= received.length) return refused(received.fds);
  const parcel = JSON.parse(packet.toString("utf8", 0, lineEnd)) as SessionParcel;
  const others = [...received.fds];
  const connection = parcel.isLast === true ? -1 : others.shift();
  if (connection === undefined) return refused(received.fds);
  const { inputBytes, outputBytes, clientBytes = 0 } = parcel;
  const descriptors = others.splice(0, parcel.descriptors ?? 0);
  const [memory] = others;
  const text = Buffer.allocUnsafeSlow(clientBytes);
  const input = Buffer.allocUnsafeSlow(inputBytes);
  const output = Buffer.allocUnsafeSlow(outputBytes);
  let position = memory === undefined ? lineEnd + 1 : 0;
  for (const bytes of [text, input, output]) {
    if (memory === undefined) packet.copy(bytes, 0, position);
    else readAll(memory, bytes, position);
    position += bytes.length;
  }
  if (memory !== undefined) closeFd(memory);
  const client = clientBytes > 0 ? JSON.parse(text.toString()) : parcel.client;
  return { parcel, connection, client, descriptors, input, output };
}

function refused(fds: readonly number[]): null {
  for (const fd of fds) closeFd(fd);
  return null;
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
