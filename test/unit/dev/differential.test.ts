/** The embedded Redis answers what redis-server answers, byte for byte. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { type DevRedis, startDevRedis } from "../../../src/dev/redis/dev-redis.ts";
import { type RedisServer, startRedis } from "../../support/redis-server.ts";
import { RespClient } from "../../support/resp-client.ts";
import { type RandomCommand, randomCommand, UNORDERED } from "./random-commands.ts";

const RUNS = Number(process.env["PROPERTY_RUNS"] ?? 300);

let redis: RedisServer;
let dev: DevRedis;
let directory: string;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "dev-"));
  // Compact hashes answer in order of insertion, as the embedded ones do; the order of others is random.
  redis = await startRedis({ args: ["--hash-max-listpack-value", "65536"] });
  dev = startDevRedis({ unixPath: join(directory, "dev.sock") });
});

afterAll(async () => {
  dev.stop();
  await redis.stop();
  rmSync(directory, { recursive: true });
});

async function answers(client: RespClient, commands: readonly RandomCommand[]): Promise<string[]> {
  for (const command of commands)
    client.command(command.map((part) => Buffer.from(part, "latin1")));
  const replies = await client.replies(commands.length);
  return replies.map((reply, index) => {
    const text = reply.toString("latin1");
    const name = commands[index]?.[0] ?? "";
    return UNORDERED.has(name) && text.startsWith("*") ? sorted(text) : text;
  });
}

/** The items of an array of bulk strings, in order; items hold no line break that looks like a header. */
function sorted(reply: string): string {
  return reply
    .split(/(?=\$\d+\r\n)/)
    .sort()
    .join("");
}

async function bothAnswer(commands: readonly RandomCommand[]): Promise<void> {
  const fresh: RandomCommand[] = [["FLUSHALL"], ...commands];
  const clients = await Promise.all([
    RespClient.connect({ socketPath: redis.socketPath }),
    RespClient.connect({ socketPath: dev.address }),
  ]);
  try {
    const [expected, actual] = await Promise.all(clients.map((client) => answers(client, fresh)));
    const shown = (replies: readonly string[] = []) =>
      replies.map((reply, index) => `${JSON.stringify(fresh[index])} → ${JSON.stringify(reply)}`);
    const alike = actual?.map((reply, index) => {
      const wanted = expected?.[index] ?? "";
      return isSameMoment(fresh[index]?.[0], reply, wanted) ? wanted : reply;
    });
    expect(shown(alike)).toEqual(shown(expected));
  } finally {
    for (const client of clients) client.close();
  }
}

/** A relative expiry became a moment on two servers, one a little after the other. */
function isSameMoment(name: string | undefined, actual: string, expected: string): boolean {
  const isMoment = name === "EXPIRETIME" || name === "PEXPIRETIME";
  return isMoment && Math.abs(Number(actual.substring(1)) - Number(expected.substring(1))) < 60_000;
}

test("random command sequences", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(randomCommand, { minLength: 1, maxLength: 60, size: "max" }),
      bothAnswer,
    ),
    { numRuns: RUNS, interruptAfterTimeLimit: 60_000 },
  );
}, 120_000);
