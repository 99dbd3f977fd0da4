/** One reload, upgrade or change of settings at a time; how the last one went is logged and kept for `status`. */
import type { ControlResult, LastChange } from "../../api/control-socket.ts";
import type { Logger } from "../../base/log.ts";

export type ChangeName = "reload" | "upgrade";

export class ChangeLock {
  last: LastChange | null;
  readonly #log: Logger;
  #current: string | null = null;

  constructor(log: Logger, last: LastChange | null) {
    this.#log = log;
    this.last = last;
  }

  /** "a reload", for messages; null: nothing is going on. */
  get activity(): string | null {
    return this.#current;
  }

  /**
   * Does it, unless something else is going on.
   * @param act throws an error with `problems`, or any other
   * @param finish what remains to be done after the result is noted, but before anything else may begin
   */
  async run(
    name: ChangeName,
    act: () => Promise<ControlResult>,
    finish: (result: ControlResult) => Promise<ControlResult>,
  ): Promise<ControlResult> {
    if (this.#current !== null) return this.#busy;
    this.#current = name === "reload" ? "a reload" : "an upgrade";
    try {
      const result = await act();
      this.#note(name, result);
      return await finish(result);
    } catch (error) {
      const result: ControlResult = { ok: false, problems: problemsOf(error) };
      this.#note(name, result);
      return result;
    } finally {
      this.#current = null;
    }
  }

  /** Does something smaller, which `status` does not tell of afterwards; also only while nothing else is going on. */
  async alone(what: string, act: () => Promise<ControlResult>): Promise<ControlResult> {
    if (this.#current !== null) return this.#busy;
    this.#current = what;
    try {
      return await act();
    } catch (error) {
      return { ok: false, problems: problemsOf(error) };
    } finally {
      this.#current = null;
    }
  }

  get #busy(): ControlResult {
    return { ok: false, problems: [`busy: ${this.#current} is going on; try again in a moment`] };
  }

  #note(what: ChangeName, result: ControlResult): void {
    const problems = result.ok ? [] : result.problems;
    this.last = { what, atMs: Date.now(), ok: result.ok, problems };
    for (const problem of problems) {
      this.#log.error(`${what} failed: ${problem}`, { event: "change_failed" });
    }
    if (result.ok && "crew" in result && result.crew !== null) {
      const { crew: generation, ...facts } = result.crew;
      this.#log.info(`${what} done`, { ...facts, generation, event: "change_done" });
    }
  }
}

function problemsOf(error: unknown): readonly string[] {
  if (error instanceof Error && "problems" in error) return error.problems as readonly string[];
  return [error instanceof Error ? error.message : String(error)];
}
