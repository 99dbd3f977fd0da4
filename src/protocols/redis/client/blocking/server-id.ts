/** What a server calls a connection that a client has for itself: needed to end a blocking command on it from another one. */
import type { Lease, ReplySink } from "../../../../api/upstream.ts";
import { encodeRequest } from "../../codec/encode.ts";

const CLIENT_ID: Buffer = encodeRequest("CLIENT", "ID");

const known = new WeakMap<Lease, ServerId>();

export class ServerId implements ReplySink {
  readonly takesRuns = false;
  /** null: not known yet; 0: the server does not tell. */
  id: number | null;
  private waiting: (() => void)[] = [];

  private constructor(id: number | null) {
    this.id = id;
  }

  /** The id of `lease`, which is asked for at the first time: before whatever is sent next. */
  static of(lease: Lease): ServerId {
    const found = known.get(lease);
    if (found !== undefined) return found;
    const serverId = new ServerId(null);
    known.set(lease, serverId);
    lease.send(CLIENT_ID, 0, CLIENT_ID.length, serverId, 0, 1);
    return serverId;
  }

  /** What another process has found out. */
  static remember(lease: Lease, id: number): void {
    known.set(lease, new ServerId(id));
  }

  /** Calls back once, maybe at once. */
  whenKnown(callback: () => void): void {
    if (this.id !== null) callback();
    else this.waiting.push(callback);
  }

  onReplies(_token: number, _count: number, bytes: Buffer, start: number, end: number): void {
    const [, digits = "0"] = /^:([0-9]+)\r\n$/.exec(bytes.toString("latin1", start, end)) ?? [];
    this.become(Number(digits));
  }

  onFailure(): void {
    this.giveUp();
  }

  /** Its connection is of no more use. */
  giveUp(): void {
    if (this.id === null) this.become(0);
  }

  private become(id: number): void {
    this.id = id;
    for (const callback of this.waiting.splice(0)) callback();
  }
}
