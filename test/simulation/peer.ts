/** The side of a connection that a client of the simulation has: what it sends, and what comes. */
import type { Random } from "./random.ts";
import type { Socket } from "./socket.ts";
import type { World } from "./world.ts";

/** About so many, one a millisecond. */
const PIECES = 20;

export interface PeerUser {
  onText(text: string): void;
  /** The connection has ended, or was reset. */
  onGone(isReset: boolean): void;
}

export class Peer {
  readonly socket: Socket;
  private readonly world: World;
  private readonly user: PeerUser;
  private out: Buffer = Buffer.alloc(0);
  private readsFromMs = 0;
  private isReadDue = false;
  private isOver = false;
  private endsWhenSent = false;
  /** What is sent in pieces. */
  private slow = "";
  /** Bytes that it has read. */
  received = 0;

  constructor(world: World, socket: Socket, user: PeerUser) {
    this.world = world;
    this.socket = socket;
    this.user = user;
    socket.user = { onReadable: () => this.readSoon(), onWritable: () => this.flush() };
  }

  send(text: string): void {
    if (this.isOver) return;
    if (this.slow === "") this.sendNow(text);
    else this.slow += text;
  }

  /** It is sent in pieces of random sizes, one after the other. @returns how long that takes */
  sendSlowly(text: string, random: Random): number {
    const isUnderWay = this.slow !== "";
    this.slow += text;
    if (!isUnderWay) this.sendPiece(random);
    return PIECES;
  }

  private sendPiece(random: Random): void {
    const { slow } = this;
    const least = Math.ceil(slow.length / PIECES);
    const piece = slow.substring(0, random.between(least, least + 20));
    this.sendNow(piece);
    this.slow = slow.substring(piece.length);
    if (this.slow !== "") this.world.after(1, () => this.sendPiece(random));
  }

  private sendNow(text: string): void {
    if (this.isOver) return;
    this.out = Buffer.concat([this.out, Buffer.from(text, "latin1")]);
    this.flush();
  }

  private flush(): void {
    if (this.out.length > 0 && !this.isOver) {
      const { socket, out } = this;
      const taken = socket.write(out, 0, out.length);
      // What has come before that is still to be read.
      if (taken < 0) this.readSoon();
      else this.out = out.subarray(taken);
    }
    if (this.out.length === 0 && this.slow === "" && this.endsWhenSent) this.socket.shutdown();
  }

  /** It sends nothing more, and reads on. */
  shutdown(): void {
    this.endsWhenSent = true;
    this.flush();
  }

  /** It reads nothing for so long. */
  rest(forMs: number): void {
    this.readsFromMs = Math.max(this.readsFromMs, this.world.nowMs + forMs);
  }

  private readSoon(): void {
    if (this.isReadDue || this.isOver) return;
    this.isReadDue = true;
    this.world.after(Math.max(0, this.readsFromMs - this.world.nowMs), () => {
      this.isReadDue = false;
      if (this.readsFromMs > this.world.nowMs) this.readSoon();
      else this.read();
    });
  }

  private read(): void {
    const { socket } = this;
    if (this.isOver) return;
    if (socket.readable > 0) {
      const bytes = socket.read(64 * 1024);
      this.received += bytes.length;
      this.user.onText(bytes.toString("latin1"));
      this.readSoon();
    } else if (socket.isReset || socket.hasEnd) {
      this.isOver = true;
      socket.close();
      this.user.onGone(socket.isReset);
    }
  }

  /** It leaves. */
  close(isReset: boolean): void {
    if (this.isOver) return;
    this.isOver = true;
    if (isReset) this.socket.reset();
    else this.socket.close();
  }
}
