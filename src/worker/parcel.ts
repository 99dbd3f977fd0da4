/** The packets in which sessions travel; see SessionParcel in src/api/control.ts. */
import { readSync, writeSync } from "node:fs";
import { PARCEL_BYTES_MAX, type SessionParcel } from "../api/control.ts";
import { closeFd } from "../os/fd.ts";
import { receiveParcel, sendParcel } from "../os/fd-passing.ts";
import { createSharedMemory } from "../os/shared-memory.ts";
import type { SavedSession } from "../session/session-host.ts";

const LF = 10;

/**
 * Sends `saved` with the client's connection. What is too long for a packet goes in a memory file.
 * @returns false when the socket is full. @throws OsError when the other end is gone.
 */
export function sendSession(
  socket: number,
  pool: string,
  format: number,
  connection: number,
  saved: SavedSession,
): boolean {
  const { client, input, output, descriptors } = saved;
  const sizes = { inputBytes: input.length, outputBytes: output.length };
  const packet = (isInline: boolean, ...rest: Buffer[]): Buffer => {
    const head: SessionParcel = {
      ...{ format, pool, client, ...sizes, isInline },
      descriptors: descriptors.length,
    };
    return Buffer.concat([Buffer.from(`${JSON.stringify(head)}\n`), ...rest]);
  };
  const whole = packet(true, input, output);
  if (whole.length <= PARCEL_BYTES_MAX)
    return sendParcel(socket, whole, [connection, ...descriptors]);
  const memory = createSharedMemory("proxy-parcel", input.length + output.length);
  try {
    writeAll(memory, input, 0);
    writeAll(memory, output, input.length);
    return sendParcel(socket, packet(false), [connection, ...descriptors, memory]);
  } finally {
    closeFd(memory);
  }
}

export interface ReceivedSession {
  readonly parcel: SessionParcel;
  /** The client's connection; the caller owns it. */
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
  const [connection, ...others] = received.fds;
  const lineEnd = packet.indexOf(LF);
  if (connection === undefined || lineEnd < 0 || lineEnd >= received.length) {
    for (const fd of received.fds) closeFd(fd);
    return null;
  }
  const parcel = JSON.parse(packet.toString("utf8", 0, lineEnd)) as SessionParcel;
  const { inputBytes, outputBytes } = parcel;
  const descriptors = others.splice(0, parcel.descriptors ?? 0);
  const [memory] = others;
  const input = Buffer.allocUnsafeSlow(inputBytes);
  const output = Buffer.allocUnsafeSlow(outputBytes);
  if (memory === undefined) {
    packet.copy(input, 0, lineEnd + 1);
    packet.copy(output, 0, lineEnd + 1 + inputBytes);
  } else {
    readAll(memory, input, 0);
    readAll(memory, output, inputBytes);
    closeFd(memory);
  }
  return { parcel, connection, descriptors, input, output };
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
