/** The Memcached servers behind every proxy of a run, and what is in them. */
import { startChild } from "./children.ts";
import { type KeySpace, keyName, storedValue } from "./key-space.ts";
import { SERVER_COUNT } from "./servers.ts";
import { exchange, expectReply, freePort, waitForPort } from "./wire.ts";

const MEMORY_MIB = 256;
const FILL_TIMEOUT_MS = 30_000;

export async function startMemcachedServers(): Promise<readonly number[]> {
  const ports: number[] = [];
  for (let index = 0; index < SERVER_COUNT; index += 1) {
    const port = await freePort();
    const asRoot = process.getuid?.() === 0 ? ["-u", "root"] : [];
    const child = startChild(`memcached-${index + 1}`, [
      "memcached",
      ...["-l", "127.0.0.1", "-p", String(port), "-U", "0", "-t", "1", "-m", String(MEMORY_MIB)],
      ...asRoot,
    ]);
    if (!(await waitForPort(port, child.hasExited))) {
      throw new Error(`memcached does not start:\n${child.logTail()}`);
    }
    ports.push(port);
  }
  return ports;
}

/** Empties all servers and gives each all keys of the key space. */
export async function fillMemcached(ports: readonly number[], space: KeySpace): Promise<void> {
  const sets = Array.from({ length: space.keys }, (_, index) => {
    return `set ${keyName(index)} 0 0 ${space.valueBytes} noreply\r\n${storedValue(index, space.valueBytes)}\r\n`;
  });
  const request = `flush_all noreply\r\n${sets.join("")}version\r\n`;
  for (const port of ports) {
    const reply = await exchange(port, request, "VERSION 1.6.18\r\n".length, FILL_TIMEOUT_MS);
    if (!reply.startsWith("VERSION ")) {
      throw new Error(`filling a memcached failed: ${reply.substring(0, 200)}`);
    }
  }
}

/** Reads a sample of what `fillMemcached` stored through a proxy and fails unless every byte of it is right. */
export async function checkMemcacheReplies(
  port: number,
  space: KeySpace,
  who: string,
): Promise<void> {
  const indexes = Array.from({ length: 100 }, (_, n) => (n * 7919) % space.keys);
  const value = (index: number): string =>
    `VALUE ${keyName(index)} 0 ${space.valueBytes}\r\n${storedValue(index, space.valueBytes)}\r\n`;
  const gets = indexes.map((index) => `get ${keyName(index)}\r\n`).join("");
  const replies = indexes.map((index) => `${value(index)}END\r\n`).join("");
  await expectReply(port, gets, replies, `${who}: 100 gets`);
  const several = `get ${indexes.map(keyName).join(" ")}\r\n`;
  const found = `${indexes.map(value).join("")}END\r\n`;
  await expectReply(port, several, found, `${who}: get of 100 keys`);
  const stored = `set ${keyName(0)} 0 0 ${space.valueBytes}\r\n${storedValue(0, space.valueBytes)}\r\n`;
  await expectReply(port, stored, "STORED\r\n", `${who}: set`);
}
