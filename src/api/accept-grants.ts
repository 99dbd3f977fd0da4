/** What workers are given so that they get their clients in another way than by listening each for itself, see `accept`. */

/**
 * How a worker that listens on nothing itself gets its clients (`accept: dispatch`). Numbers in the worker process;
 * the supervisor keeps both ends of both sockets, so what waits in them outlives either process.
 */
export interface DispatchGrant {
  /** Unix SEQPACKET socket: a packet is one connection, its bytes are the pool's name. */
  readonly connections: number;
  /** Wake-up socket, called a bell once (unix stream): a byte says that packets wait. */
  readonly bell: number;
}

/**
 * How workers that take turns in listening (`accept: mutex`) tell each other: a byte says that it is your turn. Unix stream
 * sockets; numbers in the worker process.
 */
export interface TurnGrant {
  /** This worker's end: to be read. */
  readonly own: number;
  /** The other ends of all wake-up sockets, by slot: to be written. */
  readonly bells: readonly { readonly slot: number; readonly fd: number }[];
}
