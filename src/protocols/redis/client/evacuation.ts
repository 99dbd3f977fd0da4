/**
 * Has clients leave for another proxy, while an operator wants that (`proxy drain --to`): those that have asked to be told of maintenance are
 * pushed `MOVING number seconds host:port`, connect there, and go on when what they have sent is answered.
 *
 * Those that are idle are told first, and not all at once: each connects anew. A client with something open (a transaction, subscriptions, a
 * command that blocks) is told when it has nothing open any more, because that would be lost on the way. One that was told and is still there
 * after GRACE_MS is closed once it has been quiet for QUIET_MS: so no request of it is under way, and its next one finds the other proxy. One that goes on is left.
 */
import type { Deadline, Deadlines } from "../../../base/deadlines.ts";
import type { Turn } from "../../../base/turn.ts";
import { encodePush } from "../codec/encode.ts";
import type { RedisClientState } from "./client-state.ts";

const TICK_MS = 100;
/** So many ticks it takes to tell all clients of a worker, if they are many; … */
const TICKS_FOR_ALL = 50;
/** … else so many are told in each. */
const TOLD_AT_ONCE_MIN = 8;
/** What clients are told that they have. */
export const GRACE_MS = 10_000;
/** One that has asked for nothing for so long is idle. */
export const QUIET_MS = 1000;

/** What it needs of a client. */
export interface EvacuatedClient {
  readonly state: RedisClientState;
  readonly session: {
    push(bytes: Buffer, start: number, end: number): void;
    drain(): void;
  };
  /** It has something open that no other connection has. */
  readonly prefersToStay: boolean;
  readonly lastRequestMs: number;
}

export class Evacuation {
  private readonly clients: ReadonlySet<EvacuatedClient>;
  private readonly turn: Pick<Turn, "nowMs">;
  private readonly nextNumber: () => number;
  /** `host:port`; null: clients stay. */
  private target: string | null = null;
  /** When clients were told. */
  private readonly told: Map<EvacuatedClient, number> = new Map();
  private readonly tick: Deadline;

  /**
   * @param clients that have asked to be told, at any time
   * @param nextNumber of a message, which no other message of any worker has
   */
  constructor(
    clients: ReadonlySet<EvacuatedClient>,
    turn: Pick<Turn, "nowMs">,
    deadlines: Deadlines,
    nextNumber: () => number,
  ) {
    this.clients = clients;
    this.turn = turn;
    this.nextNumber = nextNumber;
    this.tick = deadlines.create((nowMs) => this.onTick(nowMs));
  }

  /** @param target `host:port` where clients shall go from now on; null: they stay */
  follow(target: string | null): void {
    if (target === this.target) return;
    this.target = target;
    this.told.clear();
    if (target === null) this.tick.cancel();
    else this.tick.set(this.turn.nowMs + TICK_MS);
  }

  remove(client: EvacuatedClient): void {
    this.told.delete(client);
  }

  close(): void {
    this.tick.cancel();
  }

  private onTick(nowMs: number): void {
    let left = Math.max(TOLD_AT_ONCE_MIN, Math.ceil(this.clients.size / TICKS_FOR_ALL));
    const busy: EvacuatedClient[] = [];
    for (const client of this.clients) {
      // What it has gone back to knows no such messages.
      if (client.prefersToStay || client.state.version !== 3) continue;
      const isQuiet = nowMs - client.lastRequestMs >= QUIET_MS;
      const toldMs = this.told.get(client);
      if (toldMs !== undefined) {
        if (isQuiet && nowMs - toldMs >= GRACE_MS) client.session.drain();
      } else if (!isQuiet) busy.push(client);
      else if (left-- > 0) this.tell(client, nowMs);
    }
    for (const client of busy) if (left-- > 0) this.tell(client, nowMs);
    this.tick.set(nowMs + TICK_MS);
  }

  private tell(client: EvacuatedClient, nowMs: number): void {
    this.told.set(client, nowMs);
    // One that knows better where it is to go connects to where it is configured, in the middle of that time.
    const place = client.state.movesToSelf ? null : this.target;
    const message = encodePush(["MOVING", this.nextNumber(), GRACE_MS / 1000, place]);
    client.session.push(message, 0, message.length);
  }
}
