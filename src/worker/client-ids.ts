/**
 * The numbers that clients are known by (`CLIENT ID`): unique over all workers, generations and upgrades, and never given twice.
 *
 *   id = FIRST_ID + block × BLOCK_IDS + place in the block
 *
 * A birth number is a block of ids: the supervisor counts births over upgrades, too, so no two workers ever had the same. A
 * worker that has used half of its block asks for another birth number, long before it needs it.
 */

/** Ids below are those of earlier versions: sequence × 4096 + birth modulo 4096. Clients keep them when they move. */
export const FIRST_ID: number = 2 ** 48;
/** A block lasts for 4 million clients; 2^31 blocks fit below 2^53. */
export const BLOCK_IDS: number = 2 ** 22;
const EARLIER_STEP = 4096;

export class ClientIds {
  readonly #birth: number;
  readonly #ask: () => void;
  #block: number;
  #place = 0;
  #nextBlock: number | null = null;
  #hasAsked = false;
  #beyond = 0;

  /** @param ask has the supervisor give another block: `add` is called then; an older supervisor does not answer */
  constructor(birth: number, ask: () => void) {
    this.#birth = birth;
    this.#block = birth;
    this.#ask = ask;
  }

  next(): number {
    if (this.#place === BLOCK_IDS) {
      // Only a supervisor of an earlier version leaves a worker without: then ids are made as its own workers make them.
      if (this.#nextBlock === null)
        return ++this.#beyond * EARLIER_STEP + (this.#birth % EARLIER_STEP);
      this.#block = this.#nextBlock;
      this.#nextBlock = null;
      this.#hasAsked = false;
      this.#place = 0;
    }
    if (this.#place >= BLOCK_IDS / 2 && !this.#hasAsked) {
      this.#hasAsked = true;
      this.#ask();
    }
    const id = FIRST_ID + this.#block * BLOCK_IDS + this.#place;
    this.#place += 1;
    return id;
  }

  /** Another birth number, which no worker has. */
  add(block: number): void {
    this.#nextBlock = block;
  }
}
