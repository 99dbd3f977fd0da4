/** A filter in its author's cases: its requests and replies, without sockets. */
import type { Settings } from "proxy/module/test";
import type { Filtering, RequestReader, RequestRecord } from "../api/filter.ts";
import type { OptionSettings } from "../api/option.ts";
import type { Route } from "../api/upstream.ts";
import type { Logger } from "../base/log.ts";
import { LogLimit } from "../base/log-limit.ts";
import { schedule } from "../base/schedule.ts";
import type { Definition } from "../modules/definition.ts";
import { PoolFilters } from "../modules/filter-chain.ts";
import type { ModulePool } from "../modules/module-host.ts";
import { memcacheFiltering } from "../protocols/memcache/client/text/filtering.ts";
import { createRedisFiltering } from "../protocols/redis/client/filtering.ts";
import { CommandTable } from "../protocols/redis/commands/command-table.ts";
import type { Subject } from "./case-subject.ts";

/** Filters hear nothing of which server answers. */
const SERVER = "s1";
const NO_SERVERS = { pick: () => null } as unknown as Route;

export class FilterSubject implements Subject {
  readonly servers: readonly string[] = [SERVER];
  readonly #start: () => PoolFilters;
  readonly #filtering: Filtering;
  readonly #chains: PoolFilters[] = [];
  #reader: RequestReader;
  #input: Buffer = Buffer.alloc(0);
  #server = "";
  #client = "";
  /** Requests in their order; `reply` is there when it is known. */
  readonly #owed: { readonly record: RequestRecord; reply: Buffer | null }[] = [];

  constructor(
    definition: Extract<Definition, { kind: "filter" }>["definition"],
    options: OptionSettings,
    { protocol = "redis" }: Settings,
    log: Logger,
  ) {
    const pool = poolWith(log);
    const redis = createRedisFiltering(new CommandTable());
    this.#filtering = protocol === "redis" ? redis : memcacheFiltering;
    this.#start = () =>
      new PoolFilters(pool, NO_SERVERS, this.#filtering, [{ definition, options }]);
    this.#chains.push(this.#start());
    this.#reader = this.#filtering.createReader(undefined);
  }

  client(bytes: Buffer): Promise<void> {
    this.#take(bytes);
    return Promise.resolve();
  }

  #take(bytes: Buffer): void {
    this.#input = Buffer.concat([this.#input, bytes]);
    for (;;) {
      const next = this.#reader.scan(this.#input, 0, this.#input.length);
      if (next < 0) throw new Error("the client's bytes are no request");
      if (next === 0) return;
      const request = this.#input.subarray(0, next);
      if (this.#reader.isRequest) this.#judge(request);
      this.#input = Buffer.from(this.#input.subarray(next));
    }
  }

  #judge(request: Buffer): void {
    const chain = this.#chains.at(-1)!;
    const record = chain.createRecord(this.#reader);
    const reply = chain.judge(this.#reader, { peer: "127.0.0.1:1" }, record);
    this.#owed.push({ record, reply });
    if (reply === null) this.#server += request.toString("latin1");
    else chain.done(record, "refused", reply, 0, reply.length);
    this.#flush();
  }

  serverSays(_server: string, reply: Buffer): Promise<boolean> {
    return Promise.resolve(this.#answer(reply));
  }

  #answer(reply: Buffer): boolean {
    const owed = this.#owed.find((one) => one.reply === null);
    if (owed === undefined) return false;
    owed.reply = reply;
    const isError = this.#filtering.isError(reply, 0, reply.length);
    this.#chains.at(-1)!.done(owed.record, isError ? "error" : "reply", reply, 0, reply.length);
    this.#flush();
    return true;
  }

  #flush(): void {
    while (this.#owed[0] !== undefined && this.#owed[0].reply !== null) {
      this.#client += this.#owed.shift()!.reply!.toString("latin1");
    }
  }

  /** A client moves when its requests are answered. */
  handOver(): Promise<void> {
    if (this.#owed.length === 0) {
      this.#chains.push(this.#start());
      this.#reader = this.#filtering.createReader(undefined);
    }
    return Promise.resolve();
  }

  take(): { servers: ReadonlyMap<string, string>; client: string } {
    const seen = { servers: new Map([[SERVER, this.#server]]), client: this.#client };
    this.#server = "";
    this.#client = "";
    return seen;
  }

  async close(): Promise<void> {
    for (const chain of this.#chains) await chain.stop();
  }
}

function poolWith(log: Logger): ModulePool {
  return {
    ...{ name: "test", log, logLimit: new LogLimit(), schedule, now: () => performance.now() },
    servers: [],
    counter: () => ({ add() {} }),
  };
}
