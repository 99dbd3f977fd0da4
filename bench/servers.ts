/** The Redis servers behind every proxy of a run, and what is in them. */
import { type Child, runDirectory, startChild } from "./children.ts";
import { FILLER, type KeySpace, keyName, sampleOf, storedValue } from "./key-space.ts";
import { bulk, encode, exchange, expectReply, freePort, waitForPort } from "./wire.ts";

export const SERVER_COUNT = 4;
const FILL_TIMEOUT_MS = 30_000;

export interface Server {
  readonly port: number;
  readonly child: Child;
}

export async function startServers(): Promise<readonly Server[]> {
  const servers: Server[] = [];
  for (let index = 0; index < SERVER_COUNT; index += 1) {
    servers.push(await startServer(`redis-${index + 1}`, await freePort()));
  }
  return servers;
}

export async function startServer(name: string, port: number): Promise<Server> {
  const child = startChild(name, [
    "redis-server",
    ...["--bind", "127.0.0.1", "--port", String(port), "--dir", runDirectory()],
    ...["--save", "", "--appendonly", "no", "--daemonize", "no"],
  ]);
  if (!(await waitForPort(port, child.hasExited))) {
    throw new Error(`redis-server does not start:\n${child.logTail()}`);
  }
  return { port, child };
}

/**
 * Empties all servers and gives each all keys of the key space. What a value is filled up with differs from server to
 * server when `fillers` says so: then a reply tells which server it came from.
 */
export async function fill(
  ports: readonly number[],
  space: KeySpace,
  fillers: readonly string[] = [],
): Promise<void> {
  for (const [index, port] of ports.entries()) await fillOne(port, space, fillers[index] ?? FILLER);
}

export async function fillOne(port: number, space: KeySpace, filler: string): Promise<void> {
  const script = `redis.call('FLUSHALL')
    local tail = string.rep(ARGV[3], ARGV[2] - 16)
    for index = 0, ARGV[1] - 1 do
      local key = string.format('key:%012d', index)
      redis.call('SET', key, key .. tail)
    end
    return redis.status_reply('OK')`;
  const words = ["0", String(space.keys), String(space.valueBytes), filler];
  const reply = await exchange(port, encode("EVAL", script, ...words), 5, FILL_TIMEOUT_MS);
  if (reply !== "+OK\r\n") throw new Error(`filling a server failed: ${reply.trim()}`);
}

/** Reads a sample of what `fill` stored through a proxy and fails unless every byte of it is right. */
export async function checkReplies(port: number, space: KeySpace, who: string): Promise<void> {
  const indexes = sampleOf(space);
  const replies = indexes.map((index) => bulk(storedValue(index, space.valueBytes))).join("");
  const gets = indexes.map((index) => encode("GET", keyName(index))).join("");
  await expectReply(port, gets, replies, `${who}: ${indexes.length} GETs`);
  const several = encode("MGET", ...indexes.map(keyName));
  const all = `*${indexes.length}\r\n${replies}`;
  await expectReply(port, several, all, `${who}: MGET of ${indexes.length} keys`);
  const written = encode("SET", keyName(0), storedValue(0, space.valueBytes));
  await expectReply(port, written, "+OK\r\n", `${who}: SET`);
}
