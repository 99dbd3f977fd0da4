/** One end of a connection over which known bytes flow both ways all the time, and are compared. */
import { connect, createServer, type Socket } from "node:net";
import { patternAt, patternFault } from "./pattern.ts";

const CHUNK_BYTES_MAX = 24_000;
const PAUSE_MS = 4;

export class PatternPeer {
  sent = 0;
  received = 0;
  /** What went wrong first. */
  fault: string | null = null;
  hasEnded = false;
  readonly closed: Promise<void>;
  private readonly socket: Socket;
  private isSending = true;

  /** @param sends seed of the stream that this end sends; `expects`: of the one that comes, null: the first byte says it */
  constructor(socket: Socket, sends: number, expects: number | null) {
    this.socket = socket;
    let seed = expects;
    socket.on("data", (chunk: Buffer) => {
      let rest = chunk;
      if (seed === null) {
        seed = chunk[0]!;
        rest = chunk.subarray(1);
        this.sendAll(~seed & 255);
      }
      const at = patternFault(seed, this.received, rest);
      if (at >= 0) this.fault ??= `byte ${at} of stream ${seed} is another`;
      this.received += rest.length;
    });
    socket.on("end", () => {
      this.hasEnded = true;
      // A server ends when its client has.
      if (expects === null) this.stop();
    });
    socket.on("error", (error) => {
      this.fault ??= error.message;
    });
    this.closed = new Promise((resolve) => socket.once("close", () => resolve()));
    if (expects !== null) {
      socket.write(Buffer.of(sends));
      this.sendAll(sends);
    }
  }

  /** Sends no more, and says so. */
  stop(): void {
    this.isSending = false;
    this.socket.end();
  }

  destroy(): void {
    this.isSending = false;
    this.socket.destroy();
  }

  private sendAll(seed: number): void {
    const step = (): void => {
      if (!this.isSending) return;
      const length = 1 + Math.floor(Math.random() * CHUNK_BYTES_MAX);
      const hasRoom = this.socket.write(patternAt(seed, this.sent, length));
      this.sent += length;
      if (hasRoom) setTimeout(step, PAUSE_MS);
      else this.socket.once("drain", step);
    };
    step();
  }
}

export interface PatternServer {
  /** Its ends, in the order in which they connected. */
  readonly peers: PatternPeer[];
  stop(): Promise<void>;
}

/** A server whose stream to a client has the complement of the client's seed, and that ends behind the client. */
export async function startPatternServer(port: number): Promise<PatternServer> {
  const peers: PatternPeer[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    peers.push(new PatternPeer(socket, -1, null));
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return {
    peers,
    stop: () =>
      new Promise((resolve) => {
        for (const peer of peers) peer.destroy();
        server.close(() => resolve());
      }),
  };
}

export function connectPatternPeer(port: number, seed: number): Promise<PatternPeer> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.off("error", reject);
      resolve(new PatternPeer(socket, seed, ~seed & 255));
    });
  });
}
