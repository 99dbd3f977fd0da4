/** What servers are told to keep for clients (a script, libraries of functions), and what is known of who has it. */
import type { Failure, Link, ReplySink, Upstream } from "../../../../api/upstream.ts";
import type { Turn, Wakeable } from "../../../../base/turn.ts";

/** What all loadables of a pool share. */
export interface LoadHost {
  readonly turn: Turn;
  /** A number for `upstream` that changes whenever it may have lost everything it was told to keep. */
  epochOf(upstream: Upstream): number;
}

const MINUS = 0x2d;
/** The server has judged it, and will not judge otherwise a moment later: -ERR (it is there already), -NOPERM. */
const FINAL: readonly Buffer[] = [Buffer.from("-ERR "), Buffer.from("-NOPERM ")];

export class Loadable {
  /** Requests that load it, back to back. */
  readonly requests: Buffer;
  private readonly count: number;
  private readonly host: LoadHost;
  /** By server: the epoch in which it was loaded there. */
  private readonly epochs: number[] = [];
  /** By server: a load that is not answered yet. */
  private readonly loads: (Load | undefined)[] = [];

  constructor(requests: Buffer, count: number, host: LoadHost) {
    this.requests = requests;
    this.count = count;
    this.host = host;
  }

  /** As far as is known. */
  isAt(upstream: Upstream): boolean {
    return this.epochs[upstream.id] === this.host.epochOf(upstream);
  }

  /**
   * Has `upstream` load it before what is sent over `connection` next, unless it is there. Only while the connection takes
   * requests. Its replies are discarded.
   */
  load(upstream: Upstream, connection: Link): void {
    if (this.isAt(upstream)) return;
    const epoch = this.host.epochOf(upstream);
    const underWay = this.loads[upstream.id];
    if (underWay?.connection === connection && underWay.epoch === epoch) return;
    const load = new Load(this.count, epoch, connection, (isLoaded) =>
      this.onLoaded(upstream, load, isLoaded),
    );
    // Who waits for one waits for the other: the latest is the surest.
    if (underWay !== undefined) load.waiters.push(...underWay.waiters.splice(0));
    this.loads[upstream.id] = load;
    connection.send(this.requests, 0, this.requests.length, load, 0, this.count);
  }

  /** Wakes `waiter` when the load that is under way is over. */
  waitForLoad(upstream: Upstream, waiter: Wakeable): void {
    const load = this.loads[upstream.id];
    if (load === undefined) this.host.turn.wake(waiter);
    else load.waiters.push(waiter);
  }

  /** It was loaded there in another way. */
  markAt(upstream: Upstream): void {
    this.epochs[upstream.id] = this.host.epochOf(upstream);
  }

  /** It is wherever `other` is. */
  markAs(other: Loadable): void {
    for (const [index, epoch] of other.epochs.entries()) this.epochs[index] = epoch;
  }

  /** It turned out not to be there. */
  markLost(upstream: Upstream): void {
    this.epochs[upstream.id] = NEVER;
  }

  private onLoaded(upstream: Upstream, load: Load, isLoaded: boolean): void {
    if (isLoaded) this.epochs[upstream.id] = load.epoch;
    if (this.loads[upstream.id] === load) this.loads[upstream.id] = undefined;
    for (const waiter of load.waiters) this.host.turn.wake(waiter);
  }
}

/** No epoch. */
const NEVER = -1;

class Load implements ReplySink {
  readonly takesRuns = false;
  readonly epoch: number;
  readonly connection: Link;
  readonly waiters: Wakeable[] = [];
  private missing: number;
  private isLoaded = true;
  private readonly whenDone: (isLoaded: boolean) => void;

  constructor(
    requests: number,
    epoch: number,
    connection: Link,
    whenDone: (isLoaded: boolean) => void,
  ) {
    this.missing = requests;
    this.epoch = epoch;
    this.connection = connection;
    this.whenDone = whenDone;
  }

  onReplies(_token: number, count: number, bytes: Buffer, start: number): void {
    // Of several replies the first stands for all: what it says of the server's state holds for them, too.
    if (bytes[start] === MINUS && !isFinal(bytes, start)) this.isLoaded = false;
    this.done(count);
  }

  onFailure(_token: number, count: number, _failure: Failure): void {
    this.isLoaded = false;
    this.done(count);
  }

  private done(count: number): void {
    this.missing -= count;
    if (this.missing === 0) this.whenDone(this.isLoaded);
  }
}

function isFinal(bytes: Buffer, start: number): boolean {
  return FINAL.some(
    (code) => bytes.compare(code, 0, code.length, start, start + code.length) === 0,
  );
}
