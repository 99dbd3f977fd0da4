import { expect, test } from "bun:test";
import fc from "fast-check";
import { HEAD_BYTES_MAX, readRequest } from "../../../src/admin/http-request.ts";

test("a head is read: method, path without query, headers in any case", () => {
  const request = readRequest(
    "GET /metrics?x=1 HTTP/1.1\r\nHost: a\r\nACCEPT:  text/plain \r\n\r\n",
  );
  expect(request).toMatchObject({ method: "GET", path: "/metrics" });
  expect(typeof request === "object" && request.header("accept")).toBe("text/plain");
  expect(typeof request === "object" && request.header("authorization")).toBe("");
});

test("what is no whole head is told", () => {
  const cases = [
    ["GET /metrics HTTP/1.1\r\nHost: a\r\n", "incomplete"],
    ["", "incomplete"],
    [`GET / HTTP/1.1\r\nX: ${"x".repeat(HEAD_BYTES_MAX)}`, "too large"],
    [`GET / HTTP/1.1\r\nX: ${"x".repeat(HEAD_BYTES_MAX)}\r\n\r\n`, "too large"],
    ["get / HTTP/1.1\r\n\r\n", "malformed"],
    ["GET metrics HTTP/1.1\r\n\r\n", "malformed"],
    ["GET / HTTP/2.0\r\n\r\n", "malformed"],
    ["GET / HTTP/1.1\r\nHost a\r\n\r\n", "malformed"],
    ["GET / HTTP/1.1\r\n folded\r\n\r\n", "malformed"],
    ["*1\r\n$4\r\nPING\r\n\r\n", "malformed"],
  ] as const;
  for (const [text, expected] of cases) expect(readRequest(text)).toBe(expected);
});

test("a head that is long and wrong takes no time", () => {
  const blanks = " \t".repeat(HEAD_BYTES_MAX / 2 - 100);
  for (let n = 0; n < 100; n++) {
    expect(readRequest(`GET / HTTP/1.1\r\na:${blanks}\x01\r\n\r\n`)).toBe("malformed");
    expect(readRequest(`GET /${blanks} HTTP/1.1\r\n\r\n`)).toBe("malformed");
  }
});

test("two tokens are one that is wrong", () => {
  const request = readRequest(
    "GET / HTTP/1.1\r\nAuthorization: Bearer a\r\nauthorization: Bearer b\r\n\r\n",
  );
  expect(typeof request === "object" && request.header("authorization")).toBe("Bearer a, Bearer b");
});

test("whatever comes, it is read or refused", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 100 }), (text) => {
      const request = readRequest(`${text}\r\n\r\n`);
      if (typeof request === "object") expect(request.path).toStartWith("/");
    }),
  );
});
