/** Reads requests as they are sent to servers, for links that must tell several of them apart. */
import type { Access } from "./request-facts.ts";

export interface RequestReader {
  /** Reads the first request of bytes[start, end), which is there whole. @returns where it ends; ≤ start: it cannot be read */
  read(bytes: Buffer, start: number, end: number): number;
  /** Of the request that was read last: what it may do. */
  readonly access: Access;
  /** Its first key is bytes[keyStart, keyEnd); empty: it has none. */
  readonly keyStart: number;
  readonly keyEnd: number;
}
