/**
 * Holds signals back for the moment in which this process has no handler for them.
 *
 * Bun's event loop lets signals through while it waits, whatever the mask says: they are held only until the loop turns.
 */
import { constants } from "node:os";
import { libc } from "./libc.ts";
import { check } from "./os-error.ts";

const SIG_BLOCK = 0;
const SIG_UNBLOCK = 1;
/** sizeof(sigset_t) of glibc; musl's is as long. */
const SET_BYTES = 128;
/** More than sizeof(struct sigaction) anywhere; the handler comes first. */
const ACTION_BYTES = 256;
const SIG_IGN = 1;

/**
 * The kernel keeps these signals until `releaseSignals`; the mask outlives `executeInPlace`, so that a signal sent
 * meanwhile is heard by the program that follows. Signals of one kind count once. @throws OsError
 */
export function holdSignals(names: readonly NodeJS.Signals[]): void {
  check(libc.sigprocmask(SIG_BLOCK, signalSet(names), null), "sigprocmask");
}

/** Those that were held arrive now. @throws OsError */
export function releaseSignals(names: readonly NodeJS.Signals[]): void {
  check(libc.sigprocmask(SIG_UNBLOCK, signalSet(names), null), "sigprocmask");
}

/**
 * These do nothing from now on, also in a program that replaces this one, until it handles them: at worst one gets lost,
 * where it would have ended the process. @returns how to undo it. @throws OsError
 */
export function ignoreSignals(names: readonly NodeJS.Signals[]): () => void {
  const ignore = new Uint8Array(new ArrayBuffer(ACTION_BYTES));
  ignore[0] = SIG_IGN;
  const saved = names.map((name) => {
    const old = new Uint8Array(new ArrayBuffer(ACTION_BYTES));
    check(libc.sigaction(constants.signals[name], ignore, old), "sigaction");
    return [constants.signals[name], old] as const;
  });
  return () => {
    for (const [number, old] of saved) libc.sigaction(number, old, null);
  };
}

function signalSet(names: readonly NodeJS.Signals[]): Uint8Array {
  const set = new Uint8Array(new ArrayBuffer(SET_BYTES));
  for (const name of names) {
    const bit = constants.signals[name] - 1;
    set[bit >> 3]! |= 1 << (bit & 7);
  }
  return set;
}
