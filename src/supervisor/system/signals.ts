/**
 * Signals, as users of nginx know them. Bursts coalesce: a signal is a wish, not a count.
 *
 *   TERM INT   stop at once              HUP    read the configuration again
 *   QUIT       drain, then stop          USR1   open the log files again
 *   WINCH      drain the workers only    USR2   upgrade to the executable that is there now
 *   TTIN TTOU  log more, log less
 */

export type Intent =
  | "stop"
  | "drain"
  | "drain_workers"
  | "reload"
  | "upgrade"
  | "reopen_logs"
  | "log_more"
  | "log_less";

const INTENTS: Readonly<Partial<Record<NodeJS.Signals, Intent>>> = {
  SIGTERM: "stop",
  SIGINT: "stop",
  SIGQUIT: "drain",
  SIGWINCH: "drain_workers",
  SIGHUP: "reload",
  SIGUSR1: "reopen_logs",
  SIGUSR2: "upgrade",
  SIGTTIN: "log_more",
  SIGTTOU: "log_less",
};

export const WATCHED_SIGNALS: readonly NodeJS.Signals[] = Object.keys(INTENTS) as NodeJS.Signals[];

/** What they ask for is what they do to a program that does not handle them, too. */
export const ENDING_SIGNALS: readonly NodeJS.Signals[] = ["SIGTERM", "SIGINT", "SIGQUIT"];

export type OnIntent = (intent: Intent, signal: string) => void;

/** Catches signals from the moment it is made, and keeps them until `listen` is called. */
export class SignalQueue {
  #onIntent: OnIntent | null = null;
  readonly #early: [Intent, string][] = [];

  constructor() {
    for (const [signal, intent] of Object.entries(INTENTS)) {
      process.on(signal, () => {
        if (this.#onIntent === null) this.#early.push([intent, signal]);
        else this.#onIntent(intent, signal);
      });
    }
  }

  listen(onIntent: OnIntent): void {
    this.#onIntent = onIntent;
    for (const [intent, signal] of this.#early.splice(0)) onIntent(intent, signal);
  }
}
