/** A client that waits for a blocking command. */
import type { Failure, Lease, ReplySink } from "../../api/upstream.ts";
import type { RedisFrontend } from "./redis-frontend.ts";

export class Block implements ReplySink {
  readonly lease: Lease;
  /** The connection is the client's anyhow: `RedisFrontend.pin`. */
  readonly isOnPin: boolean;
  /** What it waits for; one character per byte. */
  readonly keys: readonly string[];
  private readonly client: RedisFrontend;

  /** To be followed by `send` or `expect`. */
  constructor(client: RedisFrontend, lease: Lease, isOnPin: boolean, keys: readonly string[]) {
    this.client = client;
    this.lease = lease;
    this.isOnPin = isOnPin;
    this.keys = keys;
  }

  /** Sends the request in bytes[start, end). Only while nothing is owed to the client. */
  send(bytes: Buffer, start: number, end: number): void {
    const token = this.start();
    this.lease.send(bytes, start, end, this, token, 1);
  }

  /** Awaits the reply to a request that another process sent. */
  expect(): void {
    this.lease.expect(this, this.start());
  }

  private start(): number {
    const { client, lease } = this;
    const { session } = client;
    client.block = this;
    lease.mayBlock = true;
    session.waitBlocked();
    return session.ring.open();
  }

  onReplies(token: number, count: number, bytes: Buffer, start: number, end: number): void {
    this.finish(true);
    this.client.session.onReplies(token, count, bytes, start, end);
  }

  onFailure(token: number, count: number, failure: Failure): void {
    this.finish(false);
    this.client.session.onFailure(token, count, failure);
  }

  private finish(isClean: boolean): void {
    this.client.block = null;
    if (this.isOnPin) this.lease.mayBlock = false;
    else this.lease.release(isClean);
  }

  /** The client is gone: the server need not wait any longer. */
  abandon(): void {
    this.finish(false);
  }

  /** The client is another process's now. */
  leave(): void {
    this.client.block = null;
    if (!this.isOnPin) this.lease.leave();
  }
}
