import { expect, test } from "bun:test";
import { accessOf, isOfThisPage, isOwnName } from "../../../src/admin/access.ts";
import type { HttpRequest } from "../../../src/admin/http-request.ts";

const LOOK = "a-token-for-looking";
const LEVERS = "a-token-for-levers-";

function request(headers: Readonly<Record<string, string>>): HttpRequest {
  const header = (name: string): string => headers[name] ?? "";
  return { method: "POST", path: "/", query: new Map(), header, body: "", peer: "" };
}

function access(look: string | null, levers: string | null, authorization: string): string {
  const { mayLook, mayOrder, isByToken } = accessOf(
    { look, levers },
    request(authorization === "" ? {} : { authorization }),
  );
  return [mayLook ? "look" : "", mayOrder ? "order" : "", isByToken ? "token" : ""].join(" ");
}

test("the token for levers looks and orders, the other one looks, none does what none is needed for", () => {
  const [look, levers] = [`Bearer ${LOOK}`, `bearer  ${LEVERS}`];
  expect(access(LOOK, LEVERS, look)).toBe("look  token");
  expect(access(LOOK, LEVERS, levers)).toBe("look order token");
  expect(access(LOOK, LEVERS, "")).toBe("  ");
  expect(access(LOOK, LEVERS, "Bearer x")).toBe("  ");
  expect(access(LOOK, LEVERS, LEVERS)).toBe("  ");
  // No token is needed for looking.
  expect(access("", LEVERS, "")).toBe("look  ");
  expect(access("", LEVERS, levers)).toBe("look order token");
  // No orders.
  expect(access(LOOK, "", look)).toBe("look  token");
  expect(access(LOOK, "", "Bearer ")).toBe("  ");
  expect(access("", "", "Bearer x")).toBe("look  ");
  // A file that could not be read.
  expect(access(null, LEVERS, look)).toBe("  ");
  expect(access(LOOK, null, levers)).toBe("  ");
  expect(access("", null, "Bearer null")).toBe("look  ");
});

test("what a browser sends for a page of another address is told from what this page sends", () => {
  const host = "127.0.0.1:9400";
  const own = [
    { host },
    { host, origin: `http://${host}` },
    { host: "Proxy.Internal", origin: "https://proxy.internal", "sec-fetch-site": "same-origin" },
  ];
  const others = [
    { host, origin: "http://evil.example" },
    { host, origin: "http://127.0.0.1:9401" },
    { host, origin: "null" },
    { host, origin: "" /* not sent */, "sec-fetch-site": "cross-site" },
    { host, origin: `http://${host}`, "sec-fetch-site": "same-site" },
    { host, origin: `http://${host}, http://evil.example` },
  ];
  for (const headers of own)
    expect([headers, isOfThisPage(request(headers))]).toEqual([headers, true]);
  for (const headers of others) {
    expect([headers, isOfThisPage(request(headers))]).toEqual([headers, false]);
  }
});

test("only an address and localhost are names that no site can have", () => {
  for (const name of ["", "localhost:9400", "127.0.0.1", "[::1]:9400", "10.0.0.7:80"]) {
    expect([name, isOwnName(name)]).toEqual([name, true]);
  }
  for (const name of ["evil.example", "localhost.evil.example:9400", "127.0.0.1.evil.example"]) {
    expect([name, isOwnName(name)]).toEqual([name, false]);
  }
});
