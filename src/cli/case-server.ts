/** A server in the cases of a protocol: it says what the author of the case has it say. */
import type { Proxied } from "../modules/definition.ts";
import { CaseConnection } from "./case-engine.ts";

interface Peer {
  readonly connection: CaseConnection;
  /** Bytes of the handshake that are still to come. */
  greeting: number;
  /** A request that is not complete. */
  input: Buffer;
}

export class CaseServer {
  /** What it was sent, as latin1, without handshakes. */
  seen = "";
  /** Bytes of a handshake; known once there is a pool. */
  handshakeBytes = 0;
  private readonly definition: Proxied | null;
  private readonly greetings: Buffer;
  private readonly note: () => void;
  /** For each request that waits, where it came from, the oldest first. */
  private waiting: CaseConnection[] = [];

  /** @param note called when something comes */
  constructor(definition: Proxied | null, greetings: readonly string[], note: () => void) {
    this.definition = definition;
    this.greetings = Buffer.from(greetings.join(""), "latin1");
    this.note = note;
  }

  connect(): CaseConnection {
    const connection: CaseConnection = new CaseConnection((bytes) => this.receive(peer, bytes));
    const peer: Peer = { connection, greeting: this.handshakeBytes, input: Buffer.alloc(0) };
    return connection;
  }

  private receive(peer: Peer, bytes: Buffer): void {
    this.note();
    const greeted = Math.min(peer.greeting, bytes.length);
    peer.greeting -= greeted;
    if (greeted > 0 && peer.greeting === 0) {
      setImmediate(() => peer.connection.deliver(this.greetings));
    }
    const rest = bytes.subarray(greeted);
    if (rest.length === 0) return;
    this.seen += rest.toString("latin1");
    peer.input = Buffer.concat([peer.input, rest]);
    while (peer.input.length > 0) {
      const next = this.definition?.requestScanner(peer.input, 0, peer.input.length) ?? -1;
      if (next <= 0) break;
      this.waiting.push(peer.connection);
      peer.input = peer.input.subarray(next);
    }
  }

  /** @returns the connection for the next reply; null: no request waits */
  next(): CaseConnection | null {
    this.waiting = this.waiting.filter(({ isClosed }) => !isClosed);
    return this.waiting.shift() ?? null;
  }
}
