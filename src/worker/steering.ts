/** What this worker follows besides its configuration: orders put values over it, in place, and take them back. */
import type { Config } from "../api/config.ts";
import type { LiveValue, SteeringOrder } from "../api/steering.ts";
import { fieldOf, partOf, setField } from "../config/live.ts";

export class WorkerSteering {
  /** What holds now. Those that read it look at it each time, see config/live.ts. */
  readonly config: Config;
  /** What the configuration says of the fields that orders have changed. */
  readonly #own = new Map<string, LiveValue>();
  #revision = 0;

  /** @param config is changed in place */
  constructor(config: Config, order: SteeringOrder) {
    this.config = config;
    this.follow(order);
  }

  /** Why it cannot follow the order; null: it can. */
  problemOf({ values }: SteeringOrder): string | null {
    const unknown = values.find(({ pool, field }) => {
      const part = partOf(this.config, pool);
      return part !== null && fieldOf(part, field) === undefined;
    });
    return unknown === undefined ? null : `does not know ${unknown.field}`;
  }

  /** False: it was passed over, because a later order holds. */
  follow({ revision, values }: SteeringOrder): boolean {
    if (revision < this.#revision) return false;
    this.#revision = revision;
    for (const own of this.#own.values()) this.#put(own);
    for (const live of values) {
      this.#keepOwn(live);
      this.#put(live);
    }
    return true;
  }

  #keepOwn({ pool, field }: LiveValue): void {
    const name = JSON.stringify([pool, field]);
    const part = partOf(this.config, pool);
    if (part !== null && !this.#own.has(name)) {
      this.#own.set(name, { pool, field, value: fieldOf(part, field) });
    }
  }

  /** A pool that is not there any more is passed over, as by the generation that leaves. */
  #put({ pool, field, value }: LiveValue): void {
    const part = partOf(this.config, pool);
    if (part !== null && fieldOf(part, field) !== undefined) setField(part, field, value);
  }
}
