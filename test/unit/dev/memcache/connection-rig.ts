/** One connection to an embedded memcached without sockets, on a clock that the test moves. */
import type { Socket } from "bun";
import { ClientConnection } from "../../../../src/dev/memcache/client-connection.ts";
import { createShard, type Shard } from "../../../../src/dev/memcache/shard.ts";

export interface ConnectionRig {
  readonly shard: Shard;
  readonly connection: ClientConnection;
  /** Milliseconds since the epoch. */
  now: number;
  isClosed: boolean;
  /** Sends bytes (latin1) and returns what was answered since the last call. */
  ask(bytes: string): string;
}

export function createConnection(bytesMax: number = 1024 * 1024): ConnectionRig {
  let output = "";
  const rig = { now: 1_700_000_000_000, isClosed: false };
  const shard = createShard(bytesMax, () => rig.now);
  const socket = {
    write(bytes: Buffer, start: number, length: number): number {
      output += bytes.toString("latin1", start, start + length);
      return length;
    },
    shutdown() {
      whole.isClosed = true;
    },
    pause() {},
    resume() {},
  };
  const connection = new ClientConnection(socket as unknown as Socket<null>, shard);
  const ask = (bytes: string): string => {
    connection.onBytes(Buffer.from(bytes, "latin1"));
    const answer = output;
    output = "";
    return answer;
  };
  const whole: ConnectionRig = Object.assign(rig, { shard, connection, ask });
  return whole;
}
