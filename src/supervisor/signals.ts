/**
 * Signals, as users of nginx and of twemproxy know them. Bursts coalesce: a signal is a wish, not a count.
 *
 *   TERM INT   stop at once              HUP USR1   open the log files again
 *   QUIT       drain, then stop          TTIN TTOU  log more, log less
 */

export type Intent = "stop" | "drain" | "reopen_logs" | "log_more" | "log_less";

const INTENTS: Readonly<Partial<Record<NodeJS.Signals, Intent>>> = {
  SIGTERM: "stop",
  SIGINT: "stop",
  SIGQUIT: "drain",
  SIGHUP: "reopen_logs",
  SIGUSR1: "reopen_logs",
  SIGTTIN: "log_more",
  SIGTTOU: "log_less",
};

/** Would end the process by default. twemproxy ignores it, and so do we. */
const IGNORED: readonly NodeJS.Signals[] = ["SIGUSR2"];

/** From now on signals become calls of `onIntent`. */
export function watchSignals(onIntent: (intent: Intent, signal: string) => void): void {
  for (const [signal, intent] of Object.entries(INTENTS)) {
    process.on(signal, () => onIntent(intent, signal));
  }
  for (const signal of IGNORED) process.on(signal, () => {});
}
