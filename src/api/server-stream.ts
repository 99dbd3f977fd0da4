/** A connection to a server over which the bytes of one client go as they are, in no protocol that the core knows. */
import type { StreamEvents } from "./stream.ts";
import type { Failure } from "./upstream.ts";

/** Made by `PoolHost.openStream` or `adoptStream`. It buffers nothing: what the kernel does not take stays the caller's. */
export interface ServerStream {
  /** The connection's descriptor; -1 when it does not stand. */
  readonly fd: number;
  /** It stands, and another process can go on with its descriptor. */
  readonly isMovable: boolean;
  /** See `Stream.write`; only after `onOpen`. */
  write(bytes: Buffer, start: number, length: number): number;
  /** See `Stream.pause`. */
  pause(): void;
  resume(): void;
  /** See `Stream.quiesce`. */
  quiesce(): void;
  /** See `Stream.unsent`. */
  readonly unsent: Buffer;
  /** Sends FIN, and goes on reading. */
  shutdown(): void;
  /** Closes it in good order, or gives the attempt up. Nothing more is heard of it. */
  close(): void;
  /** Closes it by a reset: the server shall not take what it got for the whole. Nothing more is heard of it. */
  abort(): void;
  /** Another process has the connection now. Nothing more is heard of it. */
  leave(): void;
}

/**
 * What is heard of a ServerStream: `onOpen` or `onRefused` first, and after `onOpen` what StreamEvents say. An end that comes after
 * `shutdown` may be told by `onClose("")` alone.
 */
export interface ServerStreamEvents extends StreamEvents {
  /** It stands. */
  onOpen(): void;
  /** It could not be made, within `connect_timeout`. Nothing more is heard of it. */
  onRefused(failure: Failure): void;
}
