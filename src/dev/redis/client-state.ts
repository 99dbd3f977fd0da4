import { type Encoding, RESP2 } from "./encoding.ts";

/** What one connection to an embedded Redis has said and is owed. */
export interface ClientState {
  readonly id: number;
  name: string;
  /** Number of the selected database. */
  database: number;
  /** How its replies are written: RESP2 until HELLO says otherwise. */
  encoding: Encoding;
  /** Set by QUIT: the connection closes once its replies are out. */
  isClosing: boolean;
  /** Between MULTI and EXEC: the requests so far, and whether one of them was refused. */
  transaction: { readonly queue: (readonly string[])[]; isRefused: boolean } | null;
  /** WATCHed keys with their database (`watchedName`), and whether one of them was written to since. */
  watching: { readonly keys: Set<string>; isBroken: boolean } | null;
  readonly channels: Set<string>;
  readonly patterns: Set<string>;
  readonly shardChannels: Set<string>;
  /** Sends bytes that answer no request. */
  readonly push: (bytes: string) => void;
}

export function createClientState(id: number, push: (bytes: string) => void): ClientState {
  return {
    ...{ id, name: "", database: 0, encoding: RESP2, isClosing: false, push },
    transaction: null,
    watching: null,
    channels: new Set(),
    patterns: new Set(),
    shardChannels: new Set(),
  };
}

/** Blocked in RESP2 to what subscribers may say. */
export function isSubscriber({
  channels,
  patterns,
  shardChannels,
  encoding,
}: ClientState): boolean {
  return encoding.version === 2 && channels.size + patterns.size + shardChannels.size > 0;
}
