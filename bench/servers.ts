/** The Redis servers behind every proxy of a run, and what is in them. */
import { runDirectory, startChild } from "./children.ts";
import { type KeySpace, keyName, storedValue } from "./key-space.ts";
import { bulk, encode, exchange, expectReply, freePort, waitForPort } from "./wire.ts";

export const SERVER_COUNT = 4;
const FILL_TIMEOUT_MS = 30_000;

export async function startServers(): Promise<readonly number[]> {
  const ports: number[] = [];
  for (let index = 0; index < SERVER_COUNT; index += 1) {
    const port = await freePort();
    const child = startChild(`redis-${index + 1}`, [
      "redis-server",
      ...["--bind", "127.0.0.1", "--port", String(port), "--dir", runDirectory()],
      ...["--save", "", "--appendonly", "no", "--daemonize", "no"],
    ]);
    if (!(await waitForPort(port, child.hasExited))) {
      throw new Error(`redis-server does not start:\n${child.logTail()}`);
    }
    ports.push(port);
  }
  return ports;
}

/** Empties all servers and gives each all keys of the key space. */
export async function fill(ports: readonly number[], space: KeySpace): Promise<void> {
  const script = `redis.call('FLUSHALL')
    local tail = string.rep('x', ARGV[2] - 16)
    for index = 0, ARGV[1] - 1 do
      local key = string.format('key:%012d', index)
      redis.call('SET', key, key .. tail)
    end
    return redis.status_reply('OK')`;
  const request = encode("EVAL", script, "0", String(space.keys), String(space.valueBytes));
  for (const port of ports) {
    const reply = await exchange(port, request, 5, FILL_TIMEOUT_MS);
    if (reply !== "+OK\r\n") throw new Error(`filling a server failed: ${reply.trim()}`);
  }
}

/** Reads a sample of what `fill` stored through a proxy and fails unless every byte of it is right. */
export async function checkReplies(port: number, space: KeySpace, who: string): Promise<void> {
  const indexes = Array.from({ length: 100 }, (_, n) => (n * 7919) % space.keys);
  const replies = indexes.map((index) => bulk(storedValue(index, space.valueBytes))).join("");
  const gets = indexes.map((index) => encode("GET", keyName(index))).join("");
  await expectReply(port, gets, replies, `${who}: 100 GETs`);
  const several = encode("MGET", ...indexes.map(keyName));
  await expectReply(port, several, `*${indexes.length}\r\n${replies}`, `${who}: MGET of 100 keys`);
  const written = encode("SET", keyName(0), storedValue(0, space.valueBytes));
  await expectReply(port, written, "+OK\r\n", `${who}: SET`);
}
