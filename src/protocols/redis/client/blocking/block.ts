/** A client that waits for a blocking command. */

import { KIND, type ReplyKind } from "../../../../api/protocol.ts";
import { ACCESS, PlainFacts } from "../../../../api/request-facts.ts";
import type { Failure, Lease, ReplySink } from "../../../../api/upstream.ts";
import { copyOf } from "../../../../base/copy-of.ts";
import { KeptBytes } from "../../../kept-bytes.ts";
import { encodeError, encodeRequest } from "../../codec/encode.ts";
import { placeOf } from "../place.ts";
import type { RedisClient } from "../redis-client.ts";
import type { ClientBlock, SavedBlock } from "./client-block.ts";
import { Elsewhere } from "./elsewhere.ts";
import { ServerId } from "./server-id.ts";

/** As what a wait ends before its time: what CLIENT UNBLOCK calls TIMEOUT and ERROR. */
export type UnblockKind = "TIMEOUT" | "ERROR";

const ASKING: Buffer = encodeRequest("ASKING");
const IGNORED: ReplySink = { takesRuns: false, onReplies() {}, onFailure() {} };
const ZERO: Buffer = Buffer.from(":0\r\n");

const MOVED =
  "UNBLOCKED the servers of this pool have changed, and what was waited for is elsewhere now; ask again";
const MAYBE = "; the command may or may not have been executed";

const facts: PlainFacts = new PlainFacts();

export class Block implements ClientBlock, ReplySink {
  readonly takesRuns = false;
  readonly lease: Lease;
  readonly isOnPin: boolean;
  /** What it waits for; one character per byte. */
  private readonly keys: readonly string[];
  private readonly client: RedisClient;
  private readonly serverId: ServerId;
  private readonly kept: KeptBytes;
  private token = 0;
  /** Sends the command to the server that has its keys now, in this one's place; null: that cannot be done. */
  private elsewhere: Elsewhere | null = null;
  private hasMoved = false;
  /** A client may be about to end what waits on the connection. */
  private isTargeted = false;

  /** To be followed by `send` or `expect`. */
  constructor(client: RedisClient, lease: Lease, isOnPin: boolean, keys: readonly string[]) {
    this.client = client;
    this.lease = lease;
    this.isOnPin = isOnPin;
    this.keys = keys;
    this.serverId = ServerId.of(lease);
    this.kept = new KeptBytes(client.session);
  }

  get idOnServer(): number | null {
    return this.serverId.id;
  }

  target(): number | null {
    this.isTargeted = true;
    return this.idOnServer;
  }

  get isMovable(): boolean {
    return this.lease.isMovable && this.serverId.id !== null;
  }

  save(): SavedBlock {
    const { lease, isOnPin, keys, idOnServer } = this;
    return { ...placeOf(lease.upstream), isOnPin, keys, id: idOnServer ?? 0 };
  }

  /** Sends the request in bytes[start, end). Only while nothing is owed to the client. */
  send(bytes: Buffer, start: number, end: number): void {
    this.start(this.client.session.open());
    const { client, keys } = this;
    const { follower } = client.pool;
    if (follower !== null && !this.isOnPin) {
      const request = copyOf(bytes, start, end);
      this.elsewhere = new Elsewhere(client, keys, request, follower, (by, lease, token, asks) => {
        new Block(client, lease, false, keys).sendAgain(request, token, asks, by);
      });
      this.kept.add(request.length);
    }
    this.lease.send(bytes, start, end, this, this.token, 1);
  }

  /** Sends a request that is on its way already, whose slot of the session is `token`. */
  sendAgain(request: Buffer, token: number, isAsking: boolean, elsewhere: Elsewhere): void {
    this.start(token);
    this.elsewhere = elsewhere;
    this.kept.add(request.length);
    if (isAsking) this.lease.send(ASKING, 0, ASKING.length, IGNORED, 0, 1);
    this.lease.send(request, 0, request.length, this, token, 1);
  }

  /** Awaits the reply to a request that another process sent. */
  expect(): void {
    this.start(this.client.session.open());
    this.lease.expect(this, this.token);
  }

  private start(token: number): void {
    const { client, lease } = this;
    for (const key of this.keys) this.kept.add(key.length);
    client.features.block = this;
    lease.mayBlock = true;
    client.session.waitBlocked();
    this.token = token;
  }

  onReplies(
    token: number,
    count: number,
    bytes: Buffer,
    start: number,
    end: number,
    kind: ReplyKind,
  ): void {
    const { session } = this.client;
    const { elsewhere } = this;
    this.finish(true);
    if (kind === KIND.error || kind === KIND.redirect) {
      const error = copyOf(bytes, start, end);
      if (elsewhere?.tryAgain(error, this.lease.upstream, token) === true) return;
    }
    const isUnblocked = bytes.toString("latin1", start, start + 11) === "-UNBLOCKED ";
    if (this.hasMoved && isUnblocked && elsewhere !== null) elsewhere.follow(token);
    else if (this.hasMoved && isUnblocked) session.reply(token, encodeError(MOVED));
    else session.onReplies(token, count, bytes, start, end);
  }

  onFailure(token: number, count: number, failure: Failure): void {
    const { elsewhere } = this;
    this.finish(false);
    if (elsewhere?.tryAfter(failure, this.lease.upstream, token) === true) return;
    this.client.session.onFailure(token, count, failure);
  }

  private finish(isClean: boolean): void {
    this.client.features.block = null;
    this.kept.drop();
    if (!this.isOnPin) this.lease.release(isClean && !this.isTargeted);
    else {
      this.lease.mayBlock = false;
      if (this.isTargeted) this.client.features.transaction?.markPinDirty();
    }
    if (!isClean) this.serverId.giveUp();
  }

  abandon(): void {
    this.finish(false);
  }

  leave(): void {
    this.client.features.block = null;
    if (!this.isOnPin) this.lease.leave();
  }

  /**
   * Asks the server to end the wait. `token` of `sink` gets the server's answer: 1, or 0 when the wait had just ended.
   * @returns false: it cannot be asked, and `sink` hears nothing
   */
  unblock(kind: UnblockKind, sink: ReplySink, token: number): boolean {
    const { client, lease, serverId } = this;
    const connection = lease.upstream.connection(client.session.lane, client.variant);
    if (serverId.id === 0 || connection.refusal !== null) return false;
    this.isTargeted = true;
    serverId.whenKnown(() => {
      const { refusal } = connection;
      if (refusal !== null) sink.onFailure(token, 1, refusal);
      else if (serverId.id === 0) sink.onReplies(token, 1, ZERO, 0, ZERO.length, KIND.value);
      else {
        const request = encodeRequest("CLIENT", "UNBLOCK", String(serverId.id), kind);
        connection.send(request, 0, request.length, sink, token, 1);
      }
    });
    return true;
  }

  endIfElsewhere(): void {
    const { route } = this.client.pool;
    // A node of a cluster tells those who wait for what it gives away.
    if (route.isSlotted) return;
    const isElsewhere = (text: string): boolean => {
      const key = facts.ofKey(Buffer.from(text, "latin1"), ACCESS.write);
      return route.pick(key) !== this.lease.upstream;
    };
    if (this.hasMoved || !route.isStable || !this.keys.some(isElsewhere)) return;
    this.hasMoved = true;
    const sink: ReplySink = {
      takesRuns: false,
      onReplies: (_token, _count, _bytes, _start, _end, kind) => {
        // The server would not do it.
        if (kind === KIND.error) this.cut();
      },
      onFailure: () => this.cut(),
    };
    if (!this.unblock("ERROR", sink, 0)) this.cut();
  }

  private cut(): void {
    if (this.client.features.block !== this) return;
    this.finish(false);
    this.client.session.reply(this.token, encodeError(`${MOVED}${MAYBE}`));
  }
}
