/**
 * The Redis servers behind every proxy of a run, and what is in them.
 *
 * Every server holds every key, so that a value is found however a proxy spreads the keys.
 */
import { runDirectory, startChild } from "./children.ts";
import { bulk, encode, exchange, freePort, waitForPort } from "./wire.ts";

export const SERVER_COUNT = 4;
/** Bytes that one fill may need on one server. */
const FILL_BYTES_MAX = 64 * 1024 * 1024;
const KEYS_MAX = 20_000;
const FILL_TIMEOUT_MS = 30_000;

export interface KeySpace {
  readonly keys: number;
  readonly valueBytes: number;
}

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

export function keySpaceFor(valueBytes: number): KeySpace {
  return { keys: Math.min(KEYS_MAX, Math.floor(FILL_BYTES_MAX / valueBytes)), valueBytes };
}

/** The name that redis-benchmark gives to key number `index`. */
export function keyName(index: number): string {
  return `key:${String(index).padStart(12, "0")}`;
}

/** What `fill` stores under key number `index`: the key's own name first, so that a mixed-up reply shows. */
export function storedValue(index: number, valueBytes: number): string {
  return keyName(index).padEnd(valueBytes, "x");
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

async function expectReply(
  port: number,
  request: string,
  expected: string,
  what: string,
): Promise<void> {
  const reply = await exchange(port, request, expected.length, 5_000);
  if (reply === expected) return;
  const start = reply.substring(0, 60).replaceAll("\r\n", "\\r\\n");
  throw new Error(
    `${what} gave a wrong reply (${reply.length} bytes for ${expected.length}): ${start}`,
  );
}
