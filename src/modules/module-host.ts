/** What the modules of one worker run in. */
import type { Counter, ModuleContext, OptionRows } from "proxy/module";
import type { OptionSettings } from "../api/option.ts";
import { MODULE_COUNTERS_MAX } from "../base/limits.ts";
import type { Logger } from "../base/log.ts";
import type { LogLimit } from "../base/log-limit.ts";
import type { Schedule } from "../base/schedule.ts";
import { FaultGuard } from "./fault-guard.ts";
import { type LineOutput, openLines } from "./line-writer.ts";

/** One pool in one worker, as its modules see it. */
export interface ModulePool {
  readonly name: string;
  readonly log: Logger;
  readonly logLimit: LogLimit;
  /** Names of its servers. */
  readonly servers: readonly string[];
  readonly schedule: Schedule;
  /** Milliseconds on a clock that never goes back. */
  readonly now: () => number;
  /** A counter of a module in this pool. */
  readonly counter: (module: string, name: string, help: string) => Counter;
}

/** One module in one pool and worker. */
export class ModuleInstance {
  readonly name: string;
  readonly guard: FaultGuard;
  readonly context: ModuleContext<OptionRows>;
  readonly #pool: ModulePool;
  readonly #timers: Set<() => void> = new Set();
  readonly #outputs: LineOutput[] = [];
  readonly #counters: Map<string, Counter> = new Map();

  constructor(
    name: string,
    kind: "filter" | "protocol",
    options: OptionSettings,
    pool: ModulePool,
  ) {
    this.name = name;
    this.#pool = pool;
    const { log, logLimit, now } = pool;
    const faults = pool.counter(name, "faults", "times that the module failed");
    this.guard = new FaultGuard({
      ...{ module: name, log, logLimit, now, onFault: () => faults.add(1) },
      maySwitchOff: kind === "filter",
    });
    this.context = {
      options: valuesOf(options) as ModuleContext<OptionRows>["options"],
      pool: pool.name,
      servers: pool.servers,
      log: {
        info: (message) => log.info(`module ${name}: ${message}`, { event: "module_says" }),
        warn: (message) => log.warn(`module ${name}: ${message}`, { event: "module_says" }),
        error: (message) => log.error(`module ${name}: ${message}`, { event: "module_says" }),
      },
      counter: (counter, help) => this.#counter(counter, help),
      timer: (ms, callback) => this.#timer(ms, callback),
      now,
      lines: (target) => this.#lines(target),
    };
  }

  /** Calls `hook` of the module. @returns undefined when it failed */
  call<Result>(hook: string, run: () => Result): Result | undefined {
    const startMs = this.#pool.now();
    try {
      const result = run();
      this.guard.ended(startMs, hook);
      return result;
    } catch (error) {
      this.guard.failed(error, hook);
      return undefined;
    }
  }

  /** Its timers end; its lines are written. */
  async close(): Promise<void> {
    for (const cancel of this.#timers) cancel();
    await Promise.all(this.#outputs.map((output) => output.flushed()));
    for (const output of this.#outputs) output.close();
  }

  #counter(name: string, help: string): Counter {
    let counter = this.#counters.get(name);
    if (counter === undefined) {
      if (this.#counters.size >= MODULE_COUNTERS_MAX) {
        throw new Error(`a module may have ${MODULE_COUNTERS_MAX} counters in a pool, and no more`);
      }
      counter = this.#pool.counter(this.name, name, oneLine(help));
      this.#counters.set(name, counter);
    }
    return counter;
  }

  #timer(ms: number, callback: () => void): () => void {
    const stop = this.#pool.schedule(ms, () => {
      this.#timers.delete(cancel);
      this.call("a timer", callback);
    });
    const cancel = (): void => {
      this.#timers.delete(cancel);
      stop();
    };
    this.#timers.add(cancel);
    return cancel;
  }

  #lines(target: string): LineOutput {
    const { log } = this.#pool;
    const output = openLines(target, (reason) => {
      log.warn(`module ${this.name} cannot write to ${target}, and tries again: ${reason}`, {
        event: "module_cannot_write",
      });
    });
    this.#outputs.push(output);
    return output;
  }
}

function valuesOf(options: OptionSettings): Record<string, unknown> {
  return Object.fromEntries(Object.entries(options).map(([name, { value }]) => [name, value]));
}

/** A text that goes into tables and into the memory of the supervisor: modules without types may give anything. */
function oneLine(help: unknown): string {
  return `${help ?? ""}`.replace(/\p{Cc}+/gu, " ").substring(0, HELP_CHARACTERS_MAX);
}

const HELP_CHARACTERS_MAX = 200;
