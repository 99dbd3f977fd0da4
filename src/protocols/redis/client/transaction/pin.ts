/** The connection that a client has for itself while it watches keys or is in a transaction: `RedisClient.pin`. */
import type { Lease, Upstream } from "../../../../api/upstream.ts";
import { awaitsRecovery } from "../awaits-recovery.ts";
import { leaseFrom } from "../lease-from.ts";
import type { RedisClient } from "../redis-client.ts";

export class TransactionPin {
  /** Nothing but what ends with EXEC happened on it: the next client may have it. */
  isClean = true;
  private readonly client: RedisClient;
  private readonly onLost: (server: Upstream) => void;
  /** See KeyMover; 0 in pools whose keys never move. */
  private switches: number;

  /** @param onLost told when it is lost; the client has no pin then */
  constructor(client: RedisClient, onLost: (server: Upstream) => void) {
    this.client = client;
    this.onLost = onLost;
    this.switches = client.pool.gate?.mover.switches ?? 0;
  }

  /**
   * Sees to it that the pin is a connection to `upstream`, with room.
   * @param isBound it is one already, and must stay the same
   * @returns false: not now; a buffer: never, and this is why
   */
  obtain(upstream: Upstream, isBound: boolean): boolean | Buffer {
    const { client } = this;
    const { pin } = client;
    if (isBound || (pin?.upstream === upstream && this.isClean)) {
      if (!pin!.isFull) return true;
      client.session.waitFor(pin!);
      return false;
    }
    // Nothing on another connection may be overtaken. What is left of an earlier transaction has ended then.
    if (!client.settleFirst()) return false;
    if (awaitsRecovery(client, upstream.connection(client.session.lane, client.variant))) {
      return false;
    }
    const lease = leaseFrom(upstream, client);
    if (Buffer.isBuffer(lease)) return lease;
    client.setPin(lease);
    this.isClean = true;
    this.watchOver(lease);
    return true;
  }

  /** To be called once for a pin that was not obtained here. */
  watchOver(pin: Lease): void {
    pin.whenLost = () => {
      if (this.client.pin !== pin) return;
      this.client.setPin(null);
      this.onLost(pin.upstream);
    };
  }

  /** Gives it back if keys have come to belong to other servers since it was looked at last. @returns whether there was one */
  endsWithRing(): boolean {
    const { pool, pin } = this.client;
    const switches = pool.gate?.mover.switches ?? 0;
    if (switches === this.switches) return false;
    this.switches = switches;
    this.isClean = false;
    this.giveBack();
    return pin !== null;
  }

  giveBack(): void {
    const { pin } = this.client;
    this.client.setPin(null);
    pin?.release(this.isClean);
  }
}
