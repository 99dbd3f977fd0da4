/** What the clients of the simulation need of a world, made of real time and real connections. */
import { connect as connectTcp, type Socket as TcpSocket } from "node:net";
import type { Network } from "../simulation/network.ts";
import { Random } from "../simulation/random.ts";
import type { Socket, SocketUser } from "../simulation/socket.ts";
import type { World } from "../simulation/world.ts";

/** A World on the real clock. */
export function realWorld(seed: number): World {
  const startMs = performance.now();
  const world = {
    ...{ random: new Random(seed), startMs, trace: null, hash: 0 },
    get nowMs() {
      return performance.now();
    },
    after(delayMs: number, action: () => void): () => void {
      const timer = setTimeout(action, delayMs);
      return () => clearTimeout(timer);
    },
    ...{ note() {}, noteBytes() {} },
  };
  return world as unknown as World;
}

/** A Network in which clients reach `port`. */
export function realNetwork(port: number): Network {
  const network = { connectClient: () => new RealSocket(port) as unknown as Socket };
  return network as unknown as Network;
}

/** A Socket with a real connection. */
class RealSocket {
  readonly id = 0;
  user: SocketUser = { onReadable() {}, onWritable() {} };
  isReset = false;
  hasEnd = false;
  private readonly socket: TcpSocket;
  private arrived: Buffer[] = [];
  private isClosed = false;

  constructor(port: number) {
    const socket = connectTcp({ host: "127.0.0.1", port, allowHalfOpen: true, noDelay: true });
    this.socket = socket;
    socket.on("data", (bytes) => {
      this.arrived.push(Buffer.from(bytes as Buffer));
      this.user.onReadable();
    });
    socket.on("end", () => {
      this.hasEnd = true;
      this.user.onReadable();
    });
    socket.on("error", () => {
      this.isReset = true;
      this.user.onReadable();
    });
  }

  get readable(): number {
    return this.arrived.reduce((sum, { length }) => sum + length, 0);
  }

  write(bytes: Uint8Array, start: number, length: number): number {
    if (this.isReset || this.isClosed) return -1;
    this.socket.write(Buffer.from(bytes.subarray(start, start + length)));
    return length;
  }

  read(most: number): Buffer {
    const all = Buffer.concat(this.arrived);
    this.arrived = all.length > most ? [all.subarray(most)] : [];
    return all.subarray(0, most);
  }

  shutdown(): void {
    if (!this.isClosed) this.socket.end();
  }

  close(): void {
    this.isClosed = true;
    this.socket.end();
    this.socket.destroySoon();
  }

  reset(): void {
    this.isClosed = true;
    this.socket.resetAndDestroy();
  }
}
