/** Has a process look at the keys of servers, whether each is where it belongs. Only while nothing else changes. */
import type { ProcessStatus } from "../../api/control-socket.ts";
import type { MigrationOrder, PoolVerification, VerifyOrder } from "../../api/migration.ts";
import type { FromSweeper } from "../../api/sweeper.ts";
import { isSamePlan } from "../../migration/key-places.ts";
import { StartError } from "../start-error.ts";
import type { MigrationsOptions, SweeperSlot } from "./migration-parts.ts";

interface Asked {
  readonly pools: readonly string[];
  readonly order: VerifyOrder;
  readonly answer: PromiseWithResolvers<readonly PoolVerification[]>;
  /** Null: it is not known so far. */
  found: readonly PoolVerification[] | null;
}

export class Verification {
  readonly #process: SweeperSlot;
  /** Null: nothing is looked at. */
  #asked: Asked | null = null;

  /** @param order where keys are */
  constructor(create: MigrationsOptions["sweeper"], order: () => MigrationOrder) {
    this.#process = create(
      {
        onMessage: (message) => this.#onMessage(message),
        onDeath: () => this.#fail("the process that looked at keys has died; see the log"),
        onGone: () => this.#end(),
      },
      () => atRest(order()),
    );
  }

  get statuses(): readonly ProcessStatus[] {
    return this.#process.statuses;
  }

  /** @param pools none of which has keys that move @throws StartError */
  async verify(pools: readonly string[], order: VerifyOrder): Promise<readonly PoolVerification[]> {
    if (this.#asked !== null || this.#process.isThere) {
      throw new StartError(["keys are being looked at already"]);
    }
    const answer = Promise.withResolvers<readonly PoolVerification[]>();
    this.#asked = { pools, order, answer, found: null };
    this.#process.start();
    if (!this.#process.isThere) this.#fail("no workers serve");
    return await answer.promise;
  }

  reopenLog(): void {
    this.#process.reopenLog();
  }

  tick(): void {
    this.#process.tick();
  }

  close(): void {
    this.#process.stop();
  }

  #onMessage(message: FromSweeper): void {
    if (this.#asked === null) return;
    const { pools, order } = this.#asked;
    if (message.type === "ready") {
      this.#process.tell({ type: "verify", pools, mend: order.mend, sample: order.sample });
    } else if (message.type === "verified") {
      this.#asked.found = message.pools;
      this.#process.stop();
    }
  }

  /** The next one may begin. */
  #end(): void {
    const asked = this.#asked;
    this.#asked = null;
    if (asked?.found != null) asked.answer.resolve(asked.found);
    else asked?.answer.reject(new StartError(["it was stopped"]));
  }

  #fail(problem: string): void {
    const asked = this.#asked;
    this.#asked = null;
    this.#process.stop();
    asked?.answer.reject(new StartError([problem]));
  }
}

/** What moves is another process's business. */
function atRest({ revision, pools }: MigrationOrder): MigrationOrder {
  return { revision, pools: pools.filter(({ from, to }) => isSamePlan(from, to)) };
}
