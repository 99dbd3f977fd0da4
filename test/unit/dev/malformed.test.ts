/** The embedded Redis reads requests as redis-server does: inline ones, broken ones, in any pieces. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type DevRedis, startDevRedis } from "../../../src/dev/redis/dev-redis.ts";
import { type RedisServer, startRedis } from "../../support/redis-server.ts";
import { RespClient } from "../../support/resp-client.ts";

let redis: RedisServer;
let dev: DevRedis;
let directory: string;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "dev-"));
  redis = await startRedis();
  dev = startDevRedis({ unixPath: join(directory, "dev.sock") });
});

afterAll(async () => {
  dev.stop();
  await redis.stop();
  rmSync(directory, { recursive: true });
});

/** Everything that comes back until the server closes. */
async function answer(socketPath: string, request: string): Promise<string> {
  const client = await RespClient.connect({ socketPath });
  client.send(request);
  return (await client.untilClosed()).toString("latin1");
}

const BROKEN = {
  "a count that is no number": "*x\r\n",
  "a count with a leading zero": "*01\r\n",
  "a count that is too large": "*2147483648\r\n",
  "a bulk string without $": "*1\r\n3\r\nGET\r\n",
  "a bulk length that is no number": "*1\r\n$x\r\nPING\r\n",
  "a negative bulk length": "*1\r\n$-1\r\n",
  "a bulk length with a leading zero": "*1\r\n$04\r\nPING\r\n",
  "a bulk length that is too large": "*1\r\n$536870913\r\n",
  "an inline request with unbalanced quotes": 'set a "b\r\n',
  "quotes that go on behind the closing one": 'set a "b"c\r\n',
  "requests before the broken one": "*1\r\n$4\r\nPING\r\nPING\r\n*x\r\n",
  "a line without an end": `${"a".repeat(70_000)}`,
  "a count without an end": `*${"1".repeat(70_000)}`,
};

describe("broken requests get redis-server's error, then the connection closes", () => {
  test.each(Object.entries(BROKEN))("%s", async (_, request) => {
    const expected = await answer(redis.socketPath, request);
    expect(expected).toContain("-ERR Protocol error");
    expect(await answer(dev.address, request)).toBe(expected);
  });
});

const ODD = {
  "inline words and blank lines": "\r\n  \r\nPING\r\nECHO  hello  \nQUIT\r\n",
  "inline quotes and escapes": `ECHO "a\\x41\\n\\"b"\r\nECHO 'it\\'s "x" \\n'\r\nECHO ab"cd"\r\nECHO ""\r\nQUIT\r\n`,
  "empty and null arrays": "*0\r\n*-1\r\n*-5\r\nPING\r\nQUIT\r\n",
  "lower case, both forms": "ping\r\n*2\r\n$4\r\neChO\r\n$2\r\nhi\r\nquit\r\n",
  "requests behind QUIT": "QUIT\r\nPING\r\n",
  "an unknown command with a line end in it": "*2\r\n$4\r\na\r\nb\r\n$3\r\n\r\nx\r\nQUIT\r\n",
  "an unknown command with many arguments": `nope ${"word ".repeat(60)}\r\n${"x".repeat(300)}\r\nQUIT\r\n`,
  "unknown subcommands":
    "CLIENT BOGUS\r\nCLIENT\r\nCONFIG\r\nCLIENT GETNAME x\r\nCOMMAND BOGUS\r\nQUIT\r\n",
  "names of clients":
    'CLIENT GETNAME\r\nCLIENT SETNAME bob\r\nCLIENT GETNAME\r\nCLIENT SETNAME "a b"\r\nQUIT\r\n',
  "HELLO without effect":
    "HELLO x\r\nHELLO 4\r\nHELLO 1\r\nHELLO 2 BOGUS\r\nHELLO 2 AUTH x y\r\nQUIT\r\n",
  "AUTH without a password":
    "AUTH x\r\nAUTH default x\r\nAUTH bob x\r\nAUTH a b c\r\nAUTH\r\nQUIT\r\n",
  "SELECT keeps databases apart":
    "FLUSHALL\r\nSET a 1\r\nSELECT 3\r\nGET a\r\nDBSIZE\r\nSET b 2\r\nFLUSHDB\r\nSELECT 0\r\nDBSIZE\r\nGET a\r\nQUIT\r\n",
  "arguments that are not there":
    "GET\r\nSET a\r\nMSET a\r\nHSET a b\r\nPING a b\r\nCOMMAND COUNT x\r\nQUIT now\r\n",
};

describe("odd requests get redis-server's replies", () => {
  test.each(Object.entries(ODD))("%s", async (_, request) => {
    const expected = await answer(redis.socketPath, request);
    expect(expected.length).toBeGreaterThan(0);
    expect(await answer(dev.address, request)).toBe(expected);
  });

  test.each(Object.entries(ODD))("byte by byte: %s", async (_, request) => {
    const expected = await answer(redis.socketPath, request);
    const client = await RespClient.connect({ socketPath: dev.address });
    for (const byte of request) {
      client.send(byte);
      await client.sent();
    }
    expect((await client.untilClosed()).toString("latin1")).toBe(expected);
  });
});
