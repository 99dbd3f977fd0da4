/** One stored value and what memcached knows about it. Times are whole seconds since the epoch. */
export interface Item {
  readonly key: string;
  /** Bytes as a latin1 string. */
  value: string;
  /** The client's own 32 bits. */
  flags: number;
  /** 0: never. */
  expiresAt: number;
  /** Changes with every store. */
  cas: number;
  usedAt: number;
  isFetched: boolean;
  /** Meta commands: invalidated, but still there to be shown while a client makes a new one. */
  isStale: boolean;
  /** Meta commands: a client was told to make a new one. */
  isWon: boolean;
  /** Meta commands: stored under a key given in base64, and shown so. */
  isKeyBinary: boolean;
}

/** What memcached itself adds to an item: header, CAS and the key's terminator, and the line end after the value. */
const HEADER_BYTES = 48;
const CAS_BYTES = 8;
const FLAGS_BYTES = 4;
const TERMINATOR_BYTES = 3;

/** Bytes that memcached needs for such an item; also what `me` calls its size. */
export function itemBytes(key: string, valueBytes: number, flags: number): number {
  const fixed = HEADER_BYTES + CAS_BYTES + TERMINATOR_BYTES;
  return fixed + key.length + valueBytes + (flags === 0 ? 0 : FLAGS_BYTES);
}
