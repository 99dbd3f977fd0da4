/**
 * The worker bus: how the workers of one proxy, which are peers, tell each other things and ask each other. The supervisor passes
 * messages on; workers of all generations are on the bus.
 *
 * There is no promise when a message arrives, but messages of one worker arrive in its order. Data are JSON values, so
 * bytes travel as latin1 or base64 text. What is longer than BROADCAST_BYTES_MAX as JSON is not sent at all.
 *
 * In control messages the words are older: `tell`, `hear`, `ask`, `asked`, `answer`, `answered`, `notices`, see FromWorker and ToWorker.
 */
export interface WorkerBus {
  /** Sends `data` to all peers. */
  broadcast(topic: string, data: unknown): void;
  /**
   * Sends `data` to all peers and has the supervisor retain it under `key`, in place of an older message, for workers that start
   * later; data null: nothing is retained under `key` any more. What is retained is bounded in all (RETAINED_BYTES_MAX): the oldest is
   * lost first.
   */
  retain(topic: string, key: string, data: unknown): void;
  /** Nothing of the topic is retained any more, and all peers get `data`. */
  clear(topic: string, data: unknown): void;
  /**
   * `listener` gets what peers send, with the key of what they retain (else null). A worker that has just started gets first what was
   * retained. To be called while the worker starts: later, something may have been missed.
   */
  subscribe(topic: string, listener: BusListener): void;
  /**
   * Asks all peers that have clients; `done` gets their answers within QUERY_TIMEOUT_MS, without those of peers that died, do not know
   * the topic, or are late. A peer answers after it got what was broadcast before the query.
   */
  query(topic: string, data: unknown, done: (answers: unknown[]) => void): void;
  /** What to answer to queries of peers. */
  answer(topic: string, responder: (data: unknown) => unknown): void;
  /** The same, for what takes several turns: `answer` is to be called once. */
  answerLater(
    topic: string,
    responder: (data: unknown, answer: (data: unknown) => void) => void,
  ): void;
  /** Calls `listener` when the supervisor has lost all that was retained, so that it can be retained again. */
  whenLost(listener: () => void): void;
}

/**
 * @param key of what is retained; else null
 * @param ageMs how long ago it was sent, for what was retained before the worker started; Infinity: that is not known. Else 0
 */
export type BusListener = (data: unknown, key: string | null, ageMs: number) => void;

/** Longest message, as JSON; answers to queries may be longer. */
export const BROADCAST_BYTES_MAX: number = 2 * 1024 * 1024;
/** Length of all that a supervisor retains, as JSON. */
export const RETAINED_BYTES_MAX: number = 24 * 1024 * 1024;
export const QUERY_TIMEOUT_MS = 1_000;

/** What the supervisor retains for workers that start later. */
export interface RetainedMessage {
  readonly topic: string;
  readonly key: string;
  readonly data: unknown;
  /** How long ago it was sent; absent: an older supervisor, which does not know. */
  readonly ageMs?: number;
}

/** The bus with topics of the pool's own. */
export function busOfPool(bus: WorkerBus, pool: string): WorkerBus {
  const own = (topic: string): string => `${pool}/${topic}`;
  return {
    broadcast: (topic, data) => bus.broadcast(own(topic), data),
    retain: (topic, key, data) => bus.retain(own(topic), key, data),
    clear: (topic, data) => bus.clear(own(topic), data),
    subscribe: (topic, listener) => bus.subscribe(own(topic), listener),
    query: (topic, data, done) => bus.query(own(topic), data, done),
    answer: (topic, responder) => bus.answer(own(topic), responder),
    answerLater: (topic, responder) => bus.answerLater(own(topic), responder),
    whenLost: (listener) => bus.whenLost(listener),
  };
}
