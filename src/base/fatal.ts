/** The last words of a process that met a bug: they must reach the log, also when stderr leads nowhere. */
import type { Logger } from "./log.ts";

/**
 * From now on an exception or rejection that no code handles is logged with its stack, and the process exits with 1.
 * @param originOf what the log says in front of a stack: whose code it is; "" where that is not known
 */
export function exitOnFault(log: Logger, originOf: (stack: string) => string = () => ""): void {
  const die = (fault: unknown): void => {
    const text = fault instanceof Error ? (fault.stack ?? fault.message) : String(fault);
    log.error(`fault, exiting: ${originOf(text)}${text}`);
    process.exit(1);
  };
  process.on("uncaughtException", die);
  process.on("unhandledRejection", die);
}
