/** What the log says of the course of migrations. */
import type { Logger } from "../../base/log.ts";

export class MigrationLog {
  readonly #log: Logger;

  constructor(log: Logger) {
    this.#log = log;
  }

  begins(pool: string): void {
    this.#log.info("keys of a pool are to move to other servers", {
      ...{ event: "migration_begins", pool },
    });
  }

  movesKeys(pool: string): void {
    this.#log.info("keys of a pool belong to its new servers from now on, and move there", {
      ...{ event: "migration_moves_keys", pool },
    });
  }

  /** All go by the old ring on. */
  waits(pool: string, problem: string): void {
    this.#log.warn("workers could not change to the new servers together; tried again", {
      ...{ event: "migration_waits", pool, problem },
    });
  }

  isDone(pool: string): void {
    this.#log.info("all keys of a pool are on its new servers", {
      ...{ event: "migration_is_done", pool },
    });
  }

  isTakenBack(pool: string): void {
    this.#log.info("a migration is taken back", { event: "migration_is_taken_back", pool });
  }

  /** @param problem null: something is heard again */
  hearsOthers(problem: string | null): void {
    if (problem === null) {
      this.#log.info("etcd answers", { event: "etcd_answers" });
      return;
    }
    this.#log.warn("etcd does not answer: requests go on, and no pool changes its servers", {
      ...{ event: "etcd_does_not_answer", problem },
    });
  }

  /** @param isTaken another one has its name */
  isForgotten(isTaken: boolean): void {
    const why = isTaken
      ? "another proxy has started with the same FILE.migration, and goes on in place of this one: stop one of them"
      : "the other hosts were told that this one is gone";
    this.#log.error(`${why}; requests are refused until it is known where keys are`, {
      event: "host_is_forgotten",
    });
  }
}
