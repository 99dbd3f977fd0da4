/**
 * What is steered while workers run, as plain data: values of the running configuration that are not the file's, and levers.
 *
 * All of it goes to all workers at once, see src/supervisor/steering: an order always says everything, so that a worker that gets
 * the latest one has missed nothing.
 */

/** One value that goes before the file's. */
export interface LiveValue {
  /** Null: an option outside of pools. */
  readonly pool: string | null;
  /** See `Option.field`. */
  readonly field: string;
  /** As the resolved configuration holds it. */
  readonly value: unknown;
}

export interface SteeringOrder {
  /** Grows with each order; a worker passes over one that is older than what it has. */
  readonly revision: number;
  readonly values: readonly LiveValue[];
}

export const NO_STEERING: SteeringOrder = { revision: 0, values: [] };
