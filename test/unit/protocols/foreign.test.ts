/** Who has come to the wrong port, and who only looks like it. */
import { expect, test } from "bun:test";
import { INCOMPLETE } from "../../../src/api/protocol.ts";
import { foreignRequest } from "../../../src/protocols/memcache/codec/text/foreign.ts";
import {
  LINE_ENDLESS,
  TextRequestScanner,
} from "../../../src/protocols/memcache/codec/text/request-scanner.ts";
import { TextRequest } from "../../../src/protocols/memcache/codec/text/text-request.ts";
import { MALFORMED, RequestScanner } from "../../../src/protocols/redis/codec/request-scanner.ts";
import { RequestView } from "../../../src/protocols/redis/codec/request-view.ts";

const bytes = (text: string): Buffer => Buffer.from(text, "latin1");

/** What a line (without its end) is taken for in a Memcached pool. */
function memcacheLine(text: string): string | null {
  const line = bytes(`${text}\r\n`);
  const request = new TextRequest();
  new TextRequestScanner().scan(line, 0, line.length, request);
  return foreignRequest(request);
}

test.each([
  ["POST / HTTP/1.1", "http"],
  ["PUT /x HTTP/1.0", "http"],
  ["nonsense HTTP/1.1", "http"],
  ["PRI * HTTP/2.0", "http"],
  [`GET /${"a".repeat(5000)} HTTP/1.1`, "http"],
  [`POST /${" a".repeat(50)} HTTP/1.1`, "http"],
  // The rest of the first line is in another: the attacker has put a line feed into the path.
  ["GET /", "http"],
  ["GET http://cache/", "http"],
  ["Host: cache:11211", "http"],
  ["host: cache:11211", "http"],
  ["*1", "redis"],
  ["*12", "redis"],
  ["\x16\x03\x01\x02", "tls"],
  ["*1 2", null],
  ["GET a", null],
  ["HTTP/1.1 200 OK", null],
  ["nonsense", null],
  ["", null],
])("a line of a client of a Memcached pool: %j is %j", (line, foreign) => {
  expect(memcacheLine(line)).toBe(foreign as never);
});

test("a Memcached pool knows TLS before a line is complete", () => {
  const hello = bytes("\x16\x03\x01\x02\x00");
  const scanner = new TextRequestScanner();
  expect(scanner.scan(hello, 0, 1, new TextRequest())).toBe(INCOMPLETE);
  expect(scanner.scan(hello, 0, 5, new TextRequest())).toBe(LINE_ENDLESS);
});

/** What a Redis scanner makes of bytes. */
function redisBytes(text: string): string | null {
  const scanner = new RequestScanner();
  const end = scanner.scan(bytes(text), 0, text.length, new RequestView());
  return end === MALFORMED ? `${scanner.foreign}` : null;
}

test.each([
  ["GET / HTTP/1.1\r\n", "http"],
  ["DELETE /a HTTP/1.0\n", "http"],
  [`GET /${"a".repeat(5000)} HTTP/1.1\r\n`, "http"],
  ["set k 0 0 1\r\n", "memcache"],
  ["set k 0 -1 1 noreply\r\n", "memcache"],
  ["cas k 0 0 1 77\r\n", "memcache"],
  ["gets a b\r\n", "memcache"],
  ["mg a v\r\n", "memcache"],
  ["mn\r\n", "memcache"],
  ["version\r\n", "memcache"],
  ["\x80\x0b\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", "memcache"],
  ["\x80\0\0\n", "memcache"],
  ["\x16\x03\x01\x02\0\x01", "tls"],
  // What Redis may be told in a line.
  ["get k\r\n", null],
  ["GET /\r\n", null],
  ["SET k HTTP/1.1\r\n", null],
  ["SET k v EX 1\r\n", null],
  ["append k v\r\n", null],
  ["*3\r\n$3\r\nGET\r\n$1\r\n/\r\n$8\r\nHTTP/1.1\r\n", null],
  ["\x80\r\n", null],
  ["\x16\r\n", null],
])("bytes of a client of a Redis pool: %j are %j", (text, foreign) => {
  expect(redisBytes(text)).toBe(foreign as never);
});
