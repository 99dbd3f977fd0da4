/** The Memcached servers behind every proxy of a run, and what is in them. */
import { startChild } from "./children.ts";
import { type KeySpace, keyName, sampleOf, storedValue } from "./key-space.ts";
import { BINARY_CAS_AT, BINARY_HEADER_BYTES, binaryGet, binaryValue } from "./memcache-binary.ts";
import { SERVER_COUNT } from "./servers.ts";
import { exchange, expectReply, freePort, waitForPort } from "./wire.ts";
import type { Speech } from "./workloads.ts";

const MEMORY_MIB = 256;
const FILL_TIMEOUT_MS = 30_000;
const CHECK_TIMEOUT_MS = 5_000;

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
  speech: Speech,
  who: string,
): Promise<void> {
  const indexes = sampleOf(space);
  const value = (index: number): string => storedValue(index, space.valueBytes);
  if (speech === "memcache-meta") {
    const replies = indexes.map((index) => `VA ${space.valueBytes}\r\n${value(index)}\r\n`);
    const asked = indexes.map((index) => `mg ${keyName(index)} v\r\n`).join("");
    return await expectReply(port, asked, replies.join(""), `${who}: ${indexes.length} mgs`);
  }
  if (speech === "memcache-binary") {
    const asked = indexes.map((index) => binaryGet(keyName(index))).join("");
    const replies = indexes.map((index) => binaryValue(value(index)));
    const hidden = await exchange(port, asked, replies.join("").length, CHECK_TIMEOUT_MS);
    // The version number of each value differs from server to server.
    const isRight = replies.every((reply, n) => isSameButCas(hidden, reply, n * reply.length));
    if (!isRight) throw new Error(`${who}: ${indexes.length} binary GETs gave a wrong reply`);
    return;
  }
  await checkText(port, space, indexes, who);
}

async function checkText(
  port: number,
  space: KeySpace,
  indexes: readonly number[],
  who: string,
): Promise<void> {
  const value = (index: number): string =>
    `VALUE ${keyName(index)} 0 ${space.valueBytes}\r\n${storedValue(index, space.valueBytes)}\r\n`;
  const gets = indexes.map((index) => `get ${keyName(index)}\r\n`).join("");
  const replies = indexes.map((index) => `${value(index)}END\r\n`).join("");
  await expectReply(port, gets, replies, `${who}: ${indexes.length} gets`);
  const several = `get ${indexes.map(keyName).join(" ")}\r\n`;
  const found = `${indexes.map(value).join("")}END\r\n`;
  await expectReply(port, several, found, `${who}: get of ${indexes.length} keys`);
  const stored = `set ${keyName(0)} 0 0 ${space.valueBytes}\r\n${storedValue(0, space.valueBytes)}\r\n`;
  await expectReply(port, stored, "STORED\r\n", `${who}: set`);
}

function isSameButCas(text: string, reply: string, at: number): boolean {
  const part = text.substring(at, at + reply.length);
  return (
    part.substring(0, BINARY_CAS_AT) === reply.substring(0, BINARY_CAS_AT) &&
    part.substring(BINARY_HEADER_BYTES) === reply.substring(BINARY_HEADER_BYTES)
  );
}
