/** Headers of the PROXY protocol: read alike however they are cut, and anything else is refused. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { PROXY_HEADER_BYTES_MAX } from "../../../src/base/limits.ts";
import { scanProxyHeader } from "../../../src/client/proxy-header.ts";
import { binaryHeader, binaryHeaderOf, headerLine } from "../../support/proxy-header.ts";

const port = fc.integer({ min: 0, max: 65_535 });
const group = fc.integer({ min: 1, max: 0xffff }).map((value) => value.toString(16));
const ipv4 = fc
  .array(fc.integer({ min: 0, max: 255 }), { minLength: 4, maxLength: 4 })
  .map((parts) => parts.join("."));
const ipv6 = fc.array(group, { minLength: 8, maxLength: 8 }).map((groups) => groups.join(":"));
const ends = fc.oneof(ipv4, ipv6).chain((ip) =>
  fc.record({
    ip: fc.constant(ip),
    port,
    localIp: ip.includes(":") ? ipv6 : ipv4,
    localPort: port,
  }),
);
const facts = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes));

test("a header says the same at any cut, and ends where it ends", () => {
  fc.assert(
    fc.property(ends, facts, fc.boolean(), facts, (each, tail, isBinary, behind) => {
      const header = isBinary ? binaryHeaderOf(each, tail) : headerLine(each);
      const before = Buffer.from("xyz");
      const bytes = Buffer.concat([before, header, behind]);
      for (let end = 0; end < header.length; end++) {
        expect(scanProxyHeader(bytes, 3, 3 + end)).toBeNull();
      }
      for (const end of [3 + header.length, bytes.length]) {
        const scan = scanProxyHeader(bytes, 3, end);
        expect(scan).toMatchObject({
          length: header.length,
          address: {
            peer: `${each.ip}:${each.port}`,
            localAddress: `${each.localIp}:${each.localPort}`,
          },
        });
      }
    }),
    { numRuns: 200 },
  );
});

test("any bytes are a header, refused, or wanted more of within a bound", () => {
  const begin = fc.constantFrom(
    "",
    "PROXY ",
    "PROXY TCP4 ",
    "\r\n\r\n\0\r\nQUIT\n",
    "\r\n\r\n\0\r\nQUIT\n\x21\x11",
  );
  fc.assert(
    fc.property(begin, fc.uint8Array({ maxLength: 5000 }), (first, rest) => {
      const bytes = Buffer.concat([Buffer.from(first, "latin1"), Buffer.from(rest)]);
      const scan = scanProxyHeader(bytes, 0, bytes.length);
      if (scan === null) expect(bytes.length).toBeLessThan(PROXY_HEADER_BYTES_MAX);
      else if (typeof scan !== "string") expect(scan.length).toBeLessThanOrEqual(bytes.length);
    }),
    { numRuns: 500 },
  );
});

function scanned(bytes: Buffer | string): ReturnType<typeof scanProxyHeader> {
  const all = Buffer.from(bytes as string, "latin1");
  return scanProxyHeader(all, 0, all.length);
}

test("lines that are no header are refused", () => {
  const wrong = [
    ...["GET / HTTP/1.1\r\n", "*1\r\n$4\r\nPING\r\n", "PROXX", "PROXY\r\n", "proxy TCP4 "],
    ...["PROXY TCP4 10.0.0.1 10.0.0.2 1\r\n", "PROXY TCP4 10.0.0.1 10.0.0.2 1 2 3\r\n"],
    ...["PROXY TCP4 10.0.0.1 10.0.0.2 1 65536\r\n", "PROXY TCP4 10.0.0.1 10.0.0.2 01 2\r\n"],
    ...["PROXY TCP4 10.0.0.256 10.0.0.2 1 2\r\n", "PROXY TCP4 ::1 ::2 1 2\r\n"],
    ...["PROXY TCP6 10.0.0.1 10.0.0.2 1 2\r\n", "PROXY TCP6 fe80::1%lo ::2 1 2\r\n"],
    ...["PROXY TCP4 10.0.0.1 10.0.0.2 1 2\n", "PROXY UDP4 10.0.0.1 10.0.0.2 1 2\r\n"],
    `PROXY UNKNOWN ${"x".repeat(100)}\r\n`,
  ];
  for (const line of wrong) expect([line, typeof scanned(line)]).toEqual([line, "string"]);
});

test("what says nothing leaves the connection's own address", () => {
  expect(scanned("PROXY UNKNOWN\r\n")).toEqual({ length: 15, address: null });
  expect(scanned("PROXY UNKNOWN ff::1 any thing\r\nPING")).toEqual({ length: 31, address: null });
  const local = binaryHeader(0x20, 0, Buffer.alloc(0));
  expect(scanned(local)).toEqual({ length: 16, address: null });
  const datagram = binaryHeader(0x21, 0x12, Buffer.alloc(12));
  expect(scanned(datagram)).toEqual({ length: 28, address: null });
  const unix = binaryHeader(0x21, 0x31, Buffer.alloc(216));
  expect(scanned(unix)).toMatchObject({ length: 232, address: { peer: "unix" } });
});

test("of one address there is one text, and one origin", () => {
  const line = "PROXY TCP6 2001:DB8:0:0::1 2001:db8:0::2 4000 6379\r\n";
  expect(scanned(line)).toMatchObject({
    address: {
      peer: "2001:db8::1:4000",
      origin: "2001:db8:0:0::/64",
      localAddress: "2001:db8::2:6379",
    },
  });
});

test("binary headers that cannot be right are refused as early as that is known", () => {
  const version = binaryHeader(0x11, 0x11, Buffer.alloc(12)).subarray(0, 16);
  const command = binaryHeader(0x22, 0x11, Buffer.alloc(12)).subarray(0, 16);
  const short = binaryHeader(0x21, 0x21, Buffer.alloc(12)).subarray(0, 16);
  const long = binaryHeader(0x21, 0x11, Buffer.alloc(PROXY_HEADER_BYTES_MAX)).subarray(0, 16);
  for (const bytes of [version, command, short, long]) expect(typeof scanned(bytes)).toBe("string");
  expect(typeof scanned(Buffer.from("\r\n\r\nX"))).toBe("string");
});
