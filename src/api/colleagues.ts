/**
 * How the workers of one proxy tell each other things. The supervisor passes everything on; workers of all generations hear it.
 *
 * Nothing is promised about when it is heard, but what one worker says is heard in its order. Data are JSON values, so
 * bytes travel as latin1 or base64 text. What is longer than COLLEAGUE_BYTES_MAX as JSON is not said at all.
 */
export interface Colleagues {
  /** Tells all other workers. */
  tell(topic: string, data: unknown): void;
  /**
   * Tells all others and has the supervisor keep it as the notice `key`, in place of an older one, for workers that start
   * later; data null takes the notice away. All notices together are bounded (NOTICES_BYTES_MAX): the oldest are lost first.
   */
  post(topic: string, key: string, data: unknown): void;
  /** Takes all notices of the topic away, and tells all others `data`. */
  clear(topic: string, data: unknown): void;
  /**
   * What others tell, with the key of what they post (else null). A worker that has just started hears first what was kept.
   * To be called while the worker starts: later, something may have been missed.
   */
  hear(topic: string, listener: (data: unknown, key: string | null) => void): void;
  /**
   * Asks all other workers that have clients; `done` gets their answers within ASK_TIMEOUT_MS, without those of workers that
   * died, do not know the topic, or are late. Whoever answers has heard before what was told before.
   */
  ask(topic: string, data: unknown, done: (answers: unknown[]) => void): void;
  /** What to answer when others ask. */
  answer(topic: string, responder: (data: unknown) => unknown): void;
  /** The supervisor has lost all notices: whoever would post them shall do it again. */
  whenLost(listener: () => void): void;
}

/** A longest single message, as JSON; answers to `ask` may be longer. */
export const COLLEAGUE_BYTES_MAX: number = 2 * 1024 * 1024;
/** Length of all that a supervisor keeps, as JSON. */
export const NOTICES_BYTES_MAX: number = 24 * 1024 * 1024;
export const ASK_TIMEOUT_MS = 1_000;

/** What the supervisor keeps for workers that start later. */
export interface Notice {
  readonly topic: string;
  readonly key: string;
  readonly data: unknown;
}

/** The same, with all topics the pool's own. */
export function colleaguesInPool(colleagues: Colleagues, pool: string): Colleagues {
  const own = (topic: string): string => `${pool}/${topic}`;
  return {
    tell: (topic, data) => colleagues.tell(own(topic), data),
    post: (topic, key, data) => colleagues.post(own(topic), key, data),
    clear: (topic, data) => colleagues.clear(own(topic), data),
    hear: (topic, listener) => colleagues.hear(own(topic), listener),
    ask: (topic, data, done) => colleagues.ask(own(topic), data, done),
    answer: (topic, responder) => colleagues.answer(own(topic), responder),
    whenLost: (listener) => colleagues.whenLost(listener),
  };
}
