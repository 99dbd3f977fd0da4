/** What hash functions and rings are to those that use them. */

/** Hashes bytes[start, end), which are borrowed for the call, to a uint32. */
export type HashFunction = (bytes: Buffer, start: number, end: number) => number;

export interface Ring {
  /** Index of the server that keys with this uint32 hash belong to, in the array the ring was made from; -1: none live. */
  pick(hash: number): number;
  /** The same, with the place on the ring that decided: ketama's point, modula's slot, null for random or when none is live. */
  explain(hash: number): { readonly point: number | null; readonly index: number };
}

/** What a ring knows of a server. */
export interface RingServer {
  /** ketama hashes it. */
  readonly name: string;
  /** ≥ 1 */
  readonly weight: number;
}

/** A live server and its index in the pool. */
export interface LiveServer {
  readonly server: RingServer;
  readonly index: number;
}
