/**
 * Changes a value that several hosts share, one version after the other: each is written only if nothing has changed since it was read.
 *
 * Decides only: what reads and writes is its register.
 */
import { type MakeNext, NO_SHARED_STATE, type SharedState } from "./shared-state.ts";

/** A version of the value. */
export interface SharedVersion {
  /** Null: there is none so far. */
  readonly state: SharedState | null;
  /** Grows; 0: there is none so far. */
  readonly revision: number;
}

/** Where it is. Everything is answered, once, within a bounded time. */
export interface SharedRegister {
  /** @param done null: it cannot be read now */
  read(done: (version: SharedVersion | null) => void): void;
  /**
   * Writes `state` if the revision is still this one.
   * @param done the new revision; "conflict": it is another one, and nothing was written; null: it is not known
   */
  write(
    state: SharedState,
    revision: number,
    done: (result: number | "conflict" | null) => void,
  ): void;
}

interface Wanted {
  readonly make: MakeNext;
  readonly done: (isKnown: boolean) => void;
}

export class SharedKeeper {
  private readonly register: SharedRegister;
  private readonly onSeen: (state: SharedState) => void;
  private last: SharedVersion | null = null;
  /** What was read last is older than what was seen before. */
  isOutdated = false;
  private isBusy = false;
  private readonly wanted: Wanted[] = [];

  /** @param onSeen told of each newer version */
  constructor(register: SharedRegister, onSeen: (state: SharedState) => void) {
    this.register = register;
    this.onSeen = onSeen;
  }

  /** The newest version that is known; null: none is. */
  get state(): SharedState | null {
    return this.last === null ? null : (this.last.state ?? NO_SHARED_STATE);
  }

  /** Looks whether there is a newer version. @param done told whether that is known */
  look(done: (isKnown: boolean) => void = () => {}): void {
    if (this.isBusy) {
      done(false);
      return;
    }
    this.isBusy = true;
    this.register.read((version) => {
      this.isBusy = false;
      if (version !== null) this.note(version);
      done(version !== null && !this.isOutdated);
      this.goOn();
    });
  }

  /**
   * Makes the next version by `make`, from the newest one.
   * @param done true: it came about, or there was nothing to change; false: that is not known, and it may be tried again
   */
  change(make: MakeNext, done: (isKnown: boolean) => void = () => {}): void {
    this.wanted.push({ make, done });
    this.goOn();
  }

  private goOn(): void {
    if (this.isBusy || this.wanted.length === 0) return;
    const wanted = this.wanted.splice(0);
    this.isBusy = true;
    if (this.last === null || this.isOutdated) this.readFor(wanted);
    else this.writeFor(wanted, this.last);
  }

  private readFor(wanted: readonly Wanted[]): void {
    this.register.read((version) => {
      if (version === null) {
        this.end(wanted, false);
        return;
      }
      this.note(version);
      if (this.isOutdated) this.end(wanted, false);
      else this.writeFor(wanted, this.last!);
    });
  }

  private writeFor(wanted: readonly Wanted[], { state, revision }: SharedVersion): void {
    const before = state ?? NO_SHARED_STATE;
    let next = before;
    for (const { make } of wanted) next = make(next) ?? next;
    if (next === before) {
      this.end(wanted, true);
      return;
    }
    this.register.write(next, revision, (result) => {
      if (result === "conflict") this.readFor(wanted);
      else if (result === null) this.end(wanted, false);
      else {
        this.note({ state: next, revision: result });
        this.end(wanted, true);
      }
    });
  }

  private note(version: SharedVersion): void {
    this.isOutdated = this.last !== null && version.revision < this.last.revision;
    if (this.isOutdated || version.revision === this.last?.revision) return;
    this.last = version;
    this.onSeen(version.state ?? NO_SHARED_STATE);
  }

  private end(wanted: readonly Wanted[], isKnown: boolean): void {
    this.isBusy = false;
    for (const { done } of wanted) done(isKnown);
    this.goOn();
  }
}
