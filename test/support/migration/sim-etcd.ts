/** What simulated hosts agree through: one value with versions, and who was heard of lately. It may be away, and for single hosts, too. */
import type { SharedRegister, SharedVersion } from "../../../src/migration/shared-keeper.ts";
import type { SharedState } from "../../../src/migration/shared-state.ts";
import type { Clock } from "./clock.ts";
import type { Hazard } from "./rings.ts";

/** A host that is not heard of for so long is taken for gone. */
const LEASE_MS = 300;
const TIMEOUT_MS = 120;

export class SimEtcd {
  state: SharedState | null = null;
  revision = 0;
  isAway = false;
  /** Hosts that do not reach it. */
  readonly cutOff: Set<string> = new Set();
  private readonly clock: Clock;
  private readonly hazard: Hazard;
  private readonly heardMs: Map<string, number> = new Map();

  constructor(clock: Clock, hazard: Hazard) {
    this.clock = clock;
    this.hazard = hazard;
  }

  private reaches(host: string): boolean {
    return !this.isAway && !this.cutOff.has(host);
  }

  /** The host is there. @returns who else is; null: that cannot be found out */
  hear(host: string): ReadonlySet<string> | null {
    if (!this.reaches(host)) return null;
    this.heardMs.set(host, this.clock.nowMs);
    return new Set([...this.heardMs].flatMap(([id, atMs]) => (this.isLive(atMs) ? [id] : [])));
  }

  private isLive(heardMs: number): boolean {
    return this.clock.nowMs - heardMs < LEASE_MS;
  }

  /** As `host` uses it. @param isDead nobody waits for answers any more */
  registerOf(host: string, isDead: () => boolean): SharedRegister {
    return {
      read: (done) => {
        this.exchange<SharedVersion>(host, isDead, done, () => {
          return { state: this.state, revision: this.revision };
        });
      },
      write: (state, revision, done) => {
        this.exchange<number | "conflict">(host, isDead, done, () => {
          if (revision !== this.revision && this.hazard !== "any_version") return "conflict";
          this.state = state;
          this.revision++;
          return this.revision;
        });
      },
    };
  }

  /** What is sent is executed some time later, or not; what is executed is answered, or not; nobody waits forever. */
  private exchange<Result>(
    host: string,
    isDead: () => boolean,
    done: (result: Result | null) => void,
    execute: () => Result,
  ): void {
    const { clock } = this;
    let isAnswered = false;
    const answer = (result: Result | null): void => {
      if (isAnswered || isDead()) return;
      isAnswered = true;
      done(result);
    };
    const delayMs = clock.chance(0.05) ? clock.below(400) : 1 + clock.below(6);
    clock.after(delayMs, () => {
      if (!this.reaches(host)) return;
      const result = execute();
      clock.after(clock.chance(0.03) ? TIMEOUT_MS : 1 + clock.below(4), () => answer(result));
    });
    clock.after(TIMEOUT_MS, () => answer(null));
  }
}
