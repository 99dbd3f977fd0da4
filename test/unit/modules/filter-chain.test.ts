/** Filters that would do nothing do not start; what they answer is UTF-8; what they take is told of when it is theirs. */
import { expect, test } from "bun:test";
import type { FilterDefinition, FilterHooks, OptionRows, Request } from "proxy/module";
import type { Filtering } from "../../../src/api/filter.ts";
import type { Route } from "../../../src/api/upstream.ts";
import type { Logger } from "../../../src/base/log.ts";
import { LogLimit } from "../../../src/base/log-limit.ts";
import { PoolFilters } from "../../../src/modules/filter-chain.ts";
import type { ModulePool } from "../../../src/modules/module-host.ts";
import { TerminalPool } from "../../../src/modules/terminal-protocol.ts";
import { memcacheFiltering } from "../../../src/protocols/memcache/client/text/filtering.ts";
import { createRedisFiltering } from "../../../src/protocols/redis/client/filtering.ts";
import { CommandTable } from "../../../src/protocols/redis/commands/command-table.ts";

const redis = createRedisFiltering(new CommandTable());
const NO_SERVERS = { pick: () => null } as unknown as Route;

interface Rig extends ModulePool {
  readonly lines: string[];
  /** The clock; it stands still but for what a test adds. */
  ms: number;
}

function rig(): Rig {
  const lines: string[] = [];
  const say = (line: string): void => void lines.push(line);
  const log = { error: say, warn: say, info: say, debug: say } as unknown as Logger;
  const pool: Rig = {
    ...{ lines, ms: 1000, name: "p", log, logLimit: new LogLimit(), servers: [] },
    schedule: () => () => {},
    now: () => pool.ms,
    counter: () => ({ add() {} }),
  };
  return pool;
}

function chainOf(start: () => unknown, pool: ModulePool, filtering: Filtering = redis) {
  const definition = { api: 1, name: "guard", start } as unknown as FilterDefinition<OptionRows>;
  return new PoolFilters(pool, NO_SERVERS, filtering, [{ definition, options: {} }]);
}

/** @returns the reply that the filter gives to `text`; null: it passes */
function judge(chain: PoolFilters, text: string, filtering: Filtering = redis): string | null {
  const reader = filtering.createReader(undefined);
  const bytes = Buffer.from(text);
  expect(reader.scan(bytes, 0, bytes.length)).toBe(bytes.length);
  return chain.judge(reader, { peer: "" }, null)?.toString() ?? null;
}

function startFault(start: () => unknown): string {
  try {
    chainOf(start, rig());
    return "";
  } catch (error) {
    return (error as Error).message.replace('pool "p": filter guard does not start: ', "");
  }
}

test("a filter whose start gives nothing that is called does not start", () => {
  const hooks = "start returns no hooks: neither request nor done nor stop";
  expect(startFault(async () => ({ request() {} }))).toBe(
    "start returns a promise; it must return its hooks at once",
  );
  expect(startFault(() => Promise.reject(new Error("late")))).toContain("returns a promise");
  expect(startFault(() => undefined)).toBe("start returns no hooks");
  expect(startFault(() => ({}))).toBe(hooks);
  expect(startFault(() => new (class Guard {})())).toBe(hooks);
  expect(startFault(() => ({ done() {}, requst() {} }))).toBe(
    'what start returns has an unknown key "requst"; did you mean "request"?',
  );
  expect(startFault(() => ({ request: true }))).toBe(
    "the hook request that start returns is not a function",
  );
  class Guard implements FilterHooks {
    seen = 0;
    request(): void {
      this.seen += 1;
    }
  }
  expect(startFault(() => new Guard())).toBe("");
});

test("a protocol whose start or connection returns a promise is told so", () => {
  const pool = rig();
  const make = (more: object): TerminalPool =>
    new TerminalPool({ api: 1, name: "echo", connection: () => more, ...more } as never, {}, pool);
  expect(() => make({ start: async () => {} })).toThrow(
    'pool "p": protocol echo does not start: start returns a promise; it must be done when it returns',
  );
  const use = (hooks: object): void => {
    const port = { peer: "", mayTakeMore: () => true, close() {} };
    const made = make({ connection: () => hooks });
    made.createFrontend(port as never, undefined, []).consume(Buffer.from("x"), 0, 1);
  };
  use(Promise.resolve({ bytes() {} }));
  expect(pool.lines.at(-1)).toContain("connection returns a promise");
  pool.ms += 3_600_000;
  use({ bytes() {}, sav() {} });
  expect(pool.lines.at(-1)).toContain('unknown key "sav"; did you mean "save"?');
});

test("a protocol is not switched off: a client that makes it fail ends no other", () => {
  const pool = rig();
  let good = 0;
  const connection = (): object => ({
    bytes(chunk: Uint8Array) {
      if (chunk[0] === 0x21) throw new Error("my fault");
      good++;
    },
  });
  const made = new TerminalPool({ api: 1, name: "echo", connection } as never, {}, pool);
  const say = (text: string): boolean => {
    let isClosed = false;
    const close = (): void => {
      isClosed = true;
    };
    const port = { peer: "", mayTakeMore: () => true, close } as never;
    made.createFrontend(port, undefined, []).consume(Buffer.from(text), 0, text.length);
    return isClosed;
  };
  for (let i = 0; i < 30; i++) expect(say("!")).toBe(true);
  expect([say("x"), good]).toEqual([false, 1]);
  expect(pool.lines.join()).not.toContain("switched off");
});

test("a request hook that returns a promise refuses each request, and the log says why", () => {
  const pool = rig();
  const chain = chainOf(() => ({ request: () => Promise.reject(new Error("late")) }), pool);
  expect(judge(chain, "GET a\r\n")).toBe("-ERR module guard failed\r\n");
  expect(pool.lines.join()).toContain("request returns a promise; it must answer at once");
});

test("texts are UTF-8 in all that a filter answers", () => {
  const textOf = (reply: (r: Request) => unknown, filtering?: Filtering): string | null => {
    const line = filtering === undefined ? "GET a\r\n" : "get a\r\n";
    return judge(
      chainOf(() => ({ request: reply }), rig(), filtering),
      line,
      filtering,
    );
  };
  const failing = (r: Request): unknown => r.fail("é č\r\n€");
  expect(textOf(failing)).toBe("-é č  €\r\n");
  expect(textOf((r) => r.fail("é"))).toBe("-é\r\n");
  expect(textOf(failing, memcacheFiltering)).toBe("SERVER_ERROR é č  €\r\n");
  // Of these characters the lower bytes are CR and LF.
  expect(textOf((r) => r.fail("\u010d\u010a"), memcacheFiltering)).toBe("SERVER_ERROR čĊ\r\n");
  expect(textOf((r) => r.answer("+é\r\n"))).toBe("+é\r\n");
});

test("slow calls are told of, but for the first ones of a hook and those that throw", () => {
  const pool = rig();
  let throws = false;
  const chain = chainOf(
    () => ({
      request() {
        pool.ms += 20;
        if (throws) throw new Error("mine");
      },
    }),
    pool,
  );
  for (let i = 0; i < 3; i++) judge(chain, "GET a\r\n");
  throws = true;
  judge(chain, "GET a\r\n");
  expect(pool.lines.filter((line) => line.includes("holds up"))).toEqual([]);
  throws = false;
  judge(chain, "GET a\r\n");
  expect(pool.lines.at(-1)).toContain("holds up all clients of this worker: request took 20.0 ms");
});

test("an answer that is not one whole reply refuses the request, and the log names the module", () => {
  const pool = rig();
  const answerTo = (request: string, reply: string, filtering: Filtering): string | null =>
    judge(
      chainOf(() => ({ request: (r: Request) => r.answer(reply) }), pool, filtering),
      request,
      filtering,
    );
  for (const whole of ["+OK\r\n", "$2\r\nab\r\n", "*1\r\n:1\r\n", "_\r\n"]) {
    expect(answerTo("GET a\r\n", whole, redis)).toBe(whole);
  }
  for (const reply of [
    "",
    ">1\r\n+x\r\n",
    "$5\r\nab",
    "+OK",
    "+OK\r\n+OK\r\n",
    "OK\r\n",
    "*2\r\n:1\r\n",
  ]) {
    expect(answerTo("GET a\r\n", reply, redis)).toBe("-ERR module guard failed\r\n");
  }
  expect(answerTo("get a\r\n", "END\r\n", memcacheFiltering)).toBe("END\r\n");
  expect(answerTo("get a\r\n", "VALUE a 0 1\r\nx\r\n", memcacheFiltering)).toStartWith(
    "SERVER_ERROR",
  );
  expect(answerTo("delete a noreply\r\n", "", memcacheFiltering)).toBe("");
  expect(answerTo("delete a\r\n", "", memcacheFiltering)).toStartWith("SERVER_ERROR");
  expect(pool.lines.join()).toContain(
    "module guard failed in request: TypeError: what answer got is not one whole reply",
  );
});

test("a request that is over can be used for nothing", () => {
  let kept: Request | null = null;
  const request = (r: Request): void => {
    kept = r;
  };
  const chain = chainOf(() => ({ request }), rig());
  expect(judge(chain, "GET a\r\n")).toBeNull();
  for (const use of [
    (r: Request) => r.answer("+OK\r\n"),
    (r: Request) => r.fail("ERR late"),
    (r: Request) => r.command,
    (r: Request) => r.keyText(0),
  ]) {
    expect(() => use(kept!)).toThrow("the request is over");
  }
});
