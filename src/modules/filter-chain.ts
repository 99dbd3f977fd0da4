/** The filters of one pool in one worker. */
import type { End, FilterDefinition, FilterHooks, OptionRows, Outcome } from "proxy/module";
import type {
  ClientFacts,
  FilterChain,
  Filtering,
  RequestReader,
  RequestRecord,
} from "../api/filter.ts";
import type { OptionSettings } from "../api/option.ts";
import { ACCESS, PlainFacts } from "../api/request-facts.ts";
import type { ReplySink, Route } from "../api/upstream.ts";
import { MODULE_REQUESTS_MAX } from "../base/limits.ts";
import { FilterRequest } from "./filter-request.ts";
import { filterHooks, refusePromise } from "./hooks.ts";
import { ModuleInstance, type ModulePool } from "./module-host.ts";

export interface FilterUse {
  readonly definition: FilterDefinition<OptionRows>;
  readonly options: OptionSettings;
}

interface Started {
  readonly instance: ModuleInstance;
  readonly hooks: FilterHooks;
  readonly refusesWhenBroken: boolean;
}

/** All requests of filters go over the same connection, so they keep their order. */
const LANE = 0;
/** How often to look whether the replies to filters' own requests have come, when the worker ends. */
const LOOK_MS = 10;

export class PoolFilters implements FilterChain {
  readonly hearsEnds: boolean;
  readonly #pool: ModulePool;
  readonly #route: Route;
  readonly #filtering: Filtering;
  readonly #filters: readonly Started[];
  readonly #facts: PlainFacts = new PlainFacts();
  readonly #request: FilterRequest = new FilterRequest();
  /** Requests of filters' own that wait for their reply. */
  #underway = 0;
  readonly #sink: ReplySink = {
    takesRuns: true,
    onReplies: (_token, count) => {
      this.#underway -= count;
    },
    onFailure: (_token, count) => {
      this.#underway -= count;
    },
  };

  /** @throws what a filter's `start` throws, with the filter's name */
  constructor(pool: ModulePool, route: Route, filtering: Filtering, uses: readonly FilterUse[]) {
    this.#pool = pool;
    this.#route = route;
    this.#filtering = filtering;
    this.#filters = uses.map((use) => this.#start(use));
    this.hearsEnds = this.#filters.some(({ hooks }) => hooks.done !== undefined);
  }

  judge(reader: RequestReader, client: ClientFacts, record: RequestRecord | null): Buffer | null {
    const request = this.#request;
    request.bind(reader, client);
    const filters = this.#filters;
    for (let index = 0; index < filters.length; index++) {
      const filter = filters[index]!;
      if (record !== null) record.seen = index + 1;
      request.note = undefined;
      const reply = this.#ask(filter, request, reader);
      if (record !== null) record.notes[index] = request.note;
      if (reply === null) continue;
      request.unbind();
      return reply;
    }
    request.unbind();
    return null;
  }

  /** @returns null: this filter lets it pass */
  #ask(filter: Started, request: FilterRequest, reader: RequestReader): Buffer | null {
    const { hooks, instance, refusesWhenBroken } = filter;
    if (hooks.request === undefined) return null;
    const startMs = this.#pool.now();
    if (instance.guard.isOff(startMs)) {
      return refusesWhenBroken
        ? reader.refusal(`ERR module ${instance.name} is switched off because it fails`)
        : null;
    }
    try {
      const verdict = hooks.request(request);
      instance.guard.ended(startMs, "request");
      if (verdict === undefined) return null;
      const { reply } = verdict;
      if (reply instanceof Uint8Array)
        return Buffer.from(reply.buffer, reply.byteOffset, reply.length);
      refusePromise(verdict, "request", "answer at once");
      throw new TypeError("a filter returns nothing, or what fail or answer gave");
    } catch (error) {
      instance.guard.failed(error, "request");
      return reader.refusal(`ERR module ${instance.name} failed`);
    }
  }

  createRecord(reader: RequestReader): RequestRecord {
    return { command: reader.command, startedMs: this.#pool.now(), notes: [], seen: 0 };
  }

  done(record: RequestRecord, outcome: Outcome, bytes: Buffer, start: number, end: number): void {
    const nowMs = this.#pool.now();
    const ending = { outcome, ms: nowMs - record.startedMs, bytes, start, end };
    for (let index = record.seen - 1; index >= 0; index--) {
      const { hooks, instance } = this.#filters[index]!;
      if (hooks.done === undefined || instance.guard.isOff(nowMs)) continue;
      const ended = new RequestEnd(record, index, ending);
      try {
        hooks.done(ended);
        instance.guard.ended(nowMs, "done");
      } catch (error) {
        instance.guard.failed(error, "done");
      }
    }
  }

  /** No client is left. Resolves when the filters have nothing in hand. */
  async stop(): Promise<void> {
    for (const { hooks, instance } of this.#filters) {
      const stopped = instance.call("stop", () => hooks.stop?.());
      try {
        await stopped;
      } catch (error) {
        instance.guard.failed(error, "stop");
      }
    }
    while (this.#underway > 0) await Bun.sleep(LOOK_MS);
    await Promise.all(this.#filters.map(({ instance }) => instance.close()));
  }

  #start({ definition, options }: FilterUse): Started {
    const instance = new ModuleInstance(definition.name, "filter", options, this.#pool);
    const send = (key: string | Uint8Array, request: readonly (string | Uint8Array)[]): boolean =>
      this.#send(Buffer.from(key as Uint8Array), request);
    try {
      const hooks = filterHooks(definition.start({ ...instance.context, send }));
      return { instance, hooks, refusesWhenBroken: definition.whenBroken === "refuse" };
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new Error(
        `pool "${this.#pool.name}": filter ${definition.name} does not start: ${reason}`,
      );
    }
  }

  #send(key: Buffer, request: readonly (string | Uint8Array)[]): boolean {
    if (this.#underway >= MODULE_REQUESTS_MAX) return false;
    const server = this.#route.pick(this.#facts.ofKey(key, ACCESS.write));
    const connection = server?.connection(LANE, this.#filtering.variant);
    if (connection === undefined || connection.refusal !== null || connection.isFull) return false;
    const bytes = this.#filtering.encode(request);
    this.#underway += 1;
    connection.send(bytes, 0, bytes.length, this.#sink, 0, 1);
    return true;
  }
}

/** How a request ended, as the author of a filter sees it. */
class RequestEnd implements End {
  readonly command: string;
  readonly note: unknown;
  readonly outcome: Outcome;
  readonly ms: number;
  readonly #bytes: Buffer;
  readonly #start: number;
  readonly #end: number;

  /** @param filter its place in the chain; the reply is bytes[start, end), all of which are borrowed */
  constructor(
    { command, notes }: RequestRecord,
    filter: number,
    { outcome, ms, bytes, start, end }: Ending,
  ) {
    this.command = command;
    this.note = notes[filter];
    this.outcome = outcome;
    this.ms = ms;
    this.#bytes = bytes;
    this.#start = start;
    this.#end = end;
  }

  get reply(): Uint8Array {
    return this.#bytes.subarray(this.#start, this.#end);
  }
}

interface Ending {
  readonly outcome: Outcome;
  readonly ms: number;
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
}
