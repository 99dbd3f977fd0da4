/** The open-loop load generator as a running program that is given one slice after the other. */
import { join } from "node:path";
import { startTalker, type Talker } from "./children.ts";
import { BEGUN, type GeneratorOrder, type SliceOrder, type SliceReport } from "./load/open-loop.ts";

const PROGRAM = join(import.meta.dir, "load", "open-loop.ts");
/** Besides the slice itself: connecting, and the patience for the last replies. */
const OVERHEAD_MS = 20_000;

export class Generator {
  readonly #talker: Talker;

  constructor(order: GeneratorOrder) {
    this.#talker = startTalker([process.execPath, PROGRAM, JSON.stringify(order)]);
  }

  get pid(): number {
    return this.#talker.pid;
  }

  /** @param onBegin called when the first request is about to be sent. */
  async slice(order: SliceOrder, who: string, onBegin?: () => void): Promise<SliceReport> {
    this.#talker.say(JSON.stringify(order));
    const begun = await this.#talker.line(OVERHEAD_MS, who);
    if (begun !== BEGUN) throw new Error(`${who}: the load generator said ${begun}`);
    onBegin?.();
    const runMs = (order.warmUpSeconds + order.seconds) * 1e3;
    return JSON.parse(await this.#talker.line(runMs + OVERHEAD_MS, who)) as SliceReport;
  }

  end(): Promise<void> {
    return this.#talker.end();
  }
}
