/** Holds signals back for the moment in which this process has nobody to hear them. */
import { constants } from "node:os";
import { libc } from "./libc.ts";
import { check } from "./os-error.ts";

const SIG_BLOCK = 0;
const SIG_UNBLOCK = 1;
/** sizeof(sigset_t) of glibc; musl's is as long. */
const SET_BYTES = 128;

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

function signalSet(names: readonly NodeJS.Signals[]): Uint8Array {
  const set = new Uint8Array(new ArrayBuffer(SET_BYTES));
  for (const name of names) {
    const bit = constants.signals[name] - 1;
    set[bit >> 3]! |= 1 << (bit & 7);
  }
  return set;
}
