/** What the proxy believes of Redis, held against a real one. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import {
  MALFORMED,
  RequestScanner,
} from "../../../../../src/protocols/redis/codec/request-scanner.ts";
import { RequestView } from "../../../../../src/protocols/redis/codec/request-view.ts";
import type { Command } from "../../../../../src/protocols/redis/commands/command.ts";
import { CommandTable } from "../../../../../src/protocols/redis/commands/command-table.ts";
import { findKeys } from "../../../../../src/protocols/redis/commands/find-keys.ts";
import { encodeCommand, exchange } from "../../../../support/redis-exchange.ts";
import { type RedisServer, startRedis } from "../../../../support/redis-server.ts";
import { readCommandTable } from "../../../../tools/generate-commands.ts";

let redis: RedisServer;

beforeAll(async () => {
  redis = await startRedis();
});

afterAll(() => redis.stop());

test("the command table is what the installed Redis says", async () => {
  const path = "../../../../../src/protocols/redis/commands/commands.generated.ts";
  const file = readFileSync(fileURLToPath(new URL(path, import.meta.url)), "utf8");
  expect(file).toBe(readCommandTable(redis.port));
});

const table = new CommandTable();

const withKeys = [...table.commands].filter(
  (command) => command.keySpecs.length > 0 && command.disposition !== "refused",
);

/** Arguments for `command`, right and wrong, with the words and counts that its keys are found by. */
function argumentsFor(command: Command): fc.Arbitrary<string[]> {
  const words = command.keySpecs.flatMap((spec) => (spec.from === "keyword" ? [spec.keyword] : []));
  if (command.name === "SORT") words.push("BY", "GET", "LIMIT", "store");
  const word = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom("a", "b", "key", "", "w*") },
    { weight: 2, arbitrary: fc.constantFrom("0", "1", "2", "3", "-1", "01", "+1", "99", "1.5") },
    { weight: words.length > 0 ? 3 : 0, arbitrary: fc.constantFrom("x", ...words) },
  );
  const names = command.name.split("|");
  const least = Math.max(Math.abs(command.arity) - names.length, 0);
  const most = command.arity > 0 ? least : least + 6;
  return fc
    .array(word, { minLength: least, maxLength: most, size: "max" })
    .map((values) => [...names, ...values]);
}

function viewOf(args: readonly string[]): RequestView {
  const bytes = encodeCommand(args);
  const view = new RequestView();
  expect(new RequestScanner().scan(bytes, 0, bytes.length, view)).toBe(bytes.length);
  return view;
}

function lookUp(view: RequestView): Command {
  const command = table.find(view.bytes, view.from(0), view.to(0))!;
  if (!command.isContainer) return command;
  return table.findSubcommand(command, view.bytes, view.from(1), view.to(1))!;
}

/** Of two destinations Redis names the first and uses the last. */
function isAmbiguousRadius(args: readonly string[]): boolean {
  if (!args[0]!.startsWith("GEORADIUS")) return false;
  return args.filter((arg) => /^store(dist)?$/i.test(arg)).length > 1;
}

/** Redis looks for SORT's STORE as if every word behind one could be an option; executing it, it does not. */
function isAmbiguousSort(args: readonly string[]): boolean {
  const options = ["STORE", "BY", "GET", "LIMIT"];
  return args.some(
    (arg, i) =>
      arg.toUpperCase() === "STORE" && options.includes((args[i + 1] ?? "").toUpperCase()),
  );
}

describe("keys", () => {
  test("are found where Redis finds them, for every command that may pass", async () => {
    const samples = withKeys.flatMap((command) =>
      fc.sample(
        argumentsFor(command),
        command.keySpecs.some(({ from }) => from !== "index") || command.name === "SORT" ? 60 : 4,
      ),
    );
    const usable = samples.filter(
      (args) => !isAmbiguousRadius(args) && (args[0] !== "SORT" || !isAmbiguousSort(args)),
    );
    const replies = await exchange(
      redis,
      usable.map((args) => ["COMMAND", "GETKEYS", ...args]),
    );
    const into: number[] = [];
    const differing: string[][] = [];
    for (const [i, args] of usable.entries()) {
      const view = viewOf(args);
      findKeys(lookUp(view), view, into);
      const reply = replies[i];
      const theirs = Array.isArray(reply) ? reply.map(String) : [];
      const ours = into.map((key) => args[key]);
      // To know of more keys does no harm, and Redis gives some requests up sooner: PFMERGE without a source.
      if (theirs.some((key, at) => key !== ours[at])) differing.push(args);
      else if (ours.length > theirs.length) expect(theirs).toEqual([]);
    }
    // Redis takes counts and options less seriously where it only looks for keys, but executes none of these: it
    // makes no difference which server is asked.
    for (const [i, reply] of (await exchange(redis, differing)).entries()) {
      expect({ args: differing[i], isRefused: reply instanceof Error }).toEqual({
        args: differing[i],
        isRefused: true,
      });
    }
    expect(differing.length).toBeLessThan(usable.length / 4);
  });

  test("of sound requests are exactly those of Redis", async () => {
    const requests = [
      "XREAD COUNT 1 STREAMS a b c 0 0 0",
      "XREADGROUP GROUP streams streams COUNT 1 STREAMS a b > >",
      "ZUNIONSTORE d 2 a b WEIGHTS 1 2",
      "ZDIFF 3 a b c WITHSCORES",
      "GEORADIUS k 1 1 1 m COUNT 2 STORE d",
      "GEORADIUSBYMEMBER k m 1 m STOREDIST d",
      "EVAL script 2 a b c",
      "FCALL f 1 a b",
      "MSETNX a 1 b 2 c 3",
      "BITOP AND d a b",
      "OBJECT ENCODING a",
      "MEMORY USAGE a SAMPLES 5",
      "XINFO CONSUMERS a g",
      "LMPOP 2 a b LEFT COUNT 3",
      "SINTERCARD 2 a b LIMIT 1",
      "SORT k BY w* LIMIT 0 5 GET # STORE d",
      "RENAME a b",
      "PFMERGE d a b",
      "LCS a b LEN",
    ].map((text) => text.split(" "));
    const replies = await exchange(
      redis,
      requests.map((args) => ["COMMAND", "GETKEYS", ...args]),
    );
    const into: number[] = [];
    for (const [i, args] of requests.entries()) {
      const view = viewOf(args);
      findKeys(lookUp(view), view, into);
      const theirs = (replies[i] as Buffer[]).map(String);
      expect({ args, keys: into.map((key) => args[key]) }).toEqual({ args, keys: theirs });
    }
  });

  test("a command with one key has it where its first key is, and its arity reaches there", () => {
    for (const { name, arity, firstKey, disposition } of table.commands) {
      if (disposition !== "key" && disposition !== "split") continue;
      expect({ name, reaches: firstKey > 0 && Math.abs(arity) > firstKey }).toEqual({
        name,
        reaches: true,
      });
    }
  });

  test("SORT: the last STORE counts, and what follows another option is none", () => {
    const keysOf = (text: string): string[] => {
      const args = text.split(" ");
      const view = viewOf(args);
      const into: number[] = [];
      findKeys(lookUp(view), view, into);
      return into.map((key) => args[key]!);
    };
    expect(keysOf("SORT k BY store STORE d")).toEqual(["k", "d"]);
    expect(keysOf("SORT k STORE get STORE d")).toEqual(["k", "d"]);
    expect(keysOf("sort k limit store 2 get store")).toEqual(["k"]);
  });
});

describe("malformed requests", () => {
  /** All that Redis says to these bytes, if nothing follows them. */
  async function redisSays(bytes: Buffer): Promise<string> {
    const { promise, resolve } = Promise.withResolvers<string>();
    let said = "";
    const socket = await Bun.connect({
      hostname: redis.host,
      port: redis.port,
      allowHalfOpen: true,
      socket: {
        data(_, chunk) {
          said += chunk.toString("latin1");
        },
        end(open) {
          open.end();
        },
        close() {
          resolve(said);
        },
      },
    });
    socket.write(bytes);
    socket.shutdown();
    return promise;
  }

  const piece = fc.constantFrom(
    ..."*1\r\n|*2\r\n|*0\r\n|*-1\r\n|*01\r\n|*\r\n|*x\r\n|* 1\r\n|*+1\r\n|$1\r\n|$3\r\n|$-1\r\n|$03\r\n|$\r\n|$0\r\n|abc\r\n|\r\n|:1\r\n|\"a\r\n|'\r\n|*99999999999\r\n|$99999999999\r\n|*-99999999999999999999\r\n".split(
      "|",
    ),
  );

  test("are refused in Redis's words, and what it refuses never passes", async () => {
    const samples = fc.sample(fc.array(piece, { minLength: 1, maxLength: 4 }), 250);
    let faults = 0;
    for (const pieces of samples) {
      const text = pieces.join("");
      const bytes = Buffer.from(`${text}\r\nPING\r\n`, "latin1");
      const scanner = new RequestScanner();
      const view = new RequestView();
      let at = 0;
      let next = 0;
      while (at < bytes.length) {
        next = scanner.scan(bytes, at, bytes.length, view);
        if (next <= 0) break;
        at = next;
      }
      const said = await redisSays(Buffer.from(`${text}\r\nPING\r\n`, "latin1"));
      const fault = /-ERR Protocol error: (.*)\r\n$/.exec(said)?.[1] ?? null;
      expect({ text, fault: next === MALFORMED ? scanner.fault : null }).toEqual({ text, fault });
      if (fault !== null) faults++;
    }
    expect(faults).toBeGreaterThan(30);
  });
});
