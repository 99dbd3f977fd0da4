/** Servers of another protocol are known by what they answer; real replies of both are in test/integration/foreign-clients. */
import { expect, test } from "bun:test";
import type { Foreign } from "../../../src/protocols/foreign.ts";
import { foreignServer } from "../../../src/protocols/foreign-server.ts";

test.each([
  ["-ERR unknown command 'version'\r\n", "redis"],
  ["-NOAUTH Authentication required.\r\n", "redis"],
  ["+PONG\r\n", "redis"],
  ["$-1\r\n", "redis"],
  ["$5\r\nhello\r\n", "redis"],
  ["ERROR\r\nERROR\r\n", "memcache"],
  ["CLIENT_ERROR bad command line format\r\n", "memcache"],
  ["HTTP/1.1 400 Bad Request\r\n", "http"],
  ["\x15\x03\x01\x00\x02\x02\x46", "tls"],
  ["", null],
  ["-", null],
  ["\x15", null],
  ["220 mail.example.org ESMTP\r\n", null],
  ["SSH-2.0-OpenSSH_9.2\r\n", null],
] as [string, Foreign | null][])("%j is said by %s", (said, speaker) => {
  const bytes = Buffer.from(`before${said}`, "latin1");
  expect(foreignServer(bytes, 6, bytes.length)).toBe(speaker);
});
