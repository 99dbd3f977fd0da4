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

/**
 * What an operator holds back for a while:
 * - `pause`: requests of the pool's clients wait, and go on in their order when it ends
 * - `readonly`: requests that may write are refused
 * - `block`: requests that match `text` are refused, see PATTERN in worker/lever-chain.ts
 * - `drain`: the server named `text`, or at that address, takes no new requests, as if it were not one of the pool's; those that it has
 *   are answered
 * - `drain_to`: clients that take such a hint are told to go to `text`, which is a host, or host and port, and close when they have
 */
export const LEVER_KINDS = ["pause", "readonly", "block", "drain", "drain_to"] as const;
export type LeverKind = (typeof LEVER_KINDS)[number];

export interface Lever {
  readonly kind: LeverKind;
  /** Null: all pools whose requests can be told apart; of `drain` all that have the server, of `drain_to` all whose clients can be told. */
  readonly pool: string | null;
  /** "" for kinds that need none. */
  readonly text: string;
}

export interface SteeringOrder {
  /** Grows with each order; a worker passes over one that is older than what it has. */
  readonly revision: number;
  readonly values: readonly LiveValue[];
  /** All but those of the kinds `drain` and `drain_to`. Absent: the supervisor is older than levers; none. */
  readonly levers?: readonly Lever[];
  /** Those: programs that do not know the kinds would take them for `block`. Absent: likewise. */
  readonly drains?: readonly Lever[];
}

/** All levers of an order. */
export function leversOf({
  levers = [],
  drains = [],
}: Pick<SteeringOrder, "levers" | "drains">): readonly Lever[] {
  return [...levers, ...drains];
}

export const NO_STEERING: SteeringOrder = { revision: 0, values: [], levers: [] };
