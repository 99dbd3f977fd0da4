/** What the supervisor is doing, and since when. */

type Name = "starting" | "serving" | "paused" | "draining" | "stopping";

export class Phase {
  #name: Name = "starting";
  #sinceMs: number = Date.now();

  get name(): Name {
    return this.#name;
  }

  /** Milliseconds since the epoch. */
  get sinceMs(): number {
    return this.#sinceMs;
  }

  /** @param sinceMs when it began, if that was another program's */
  enter(name: Name, sinceMs: number = Date.now()): void {
    if (this.#name === name) return;
    this.#name = name;
    this.#sinceMs = sinceMs;
  }

  get isEnding(): boolean {
    return this.#name === "draining" || this.#name === "stopping";
  }

  /** Why nothing can be changed now; null: it can. */
  get refusal(): string | null {
    if (this.#name === "serving" || this.#name === "paused") return null;
    const advice = this.isEnding ? "it takes no more orders but to stop" : "try again in a moment";
    return `the proxy is ${this.#name}: ${advice}`;
  }
}
