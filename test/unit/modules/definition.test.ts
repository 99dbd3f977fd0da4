/** A definition whose author mistyped something is refused: otherwise what it says would be left out silently. */
import { expect, test } from "bun:test";
import { OPTION_HELPERS, readDefinition } from "../../../src/modules/definition.ts";

const start = (): object => ({ request() {} });

function filterWith(more: object): unknown {
  return readDefinition({ kind: "filter", definition: { api: 1, name: "guard", start, ...more } });
}

function protocolWith(more: object): unknown {
  const definition = { api: 1, name: "echo", connection: start, ...more };
  return readDefinition({ kind: "protocol", definition });
}

test("unknown keys are refused, with what was probably meant", () => {
  expect(filterWith({ whenBrokn: "refuse" })).toBe(
    'its definition has an unknown key "whenBrokn"; did you mean "whenBroken"?',
  );
  expect(protocolWith({ whenBroken: "refuse" })).toBe(
    'its definition has an unknown key "whenBroken" (known: api, name, options, start, connection, moves)',
  );
});

test("unknown values are refused", () => {
  expect(filterWith({ whenBroken: "deny" })).toBe(
    '"whenBroken" is "deny" instead of "pass" or "refuse"',
  );
  expect(filterWith({ whenBroken: "refused" })).toBe(
    '"whenBroken" is "refused" instead of "pass" or "refuse"; did you mean "refuse"?',
  );
  expect(protocolWith({ moves: "no" })).toBe('"moves" is neither true nor false');
  expect(protocolWith({ start: true })).toBe('"start" is not a function');
});

test("settings of an option that are mistyped are refused", () => {
  expect(() => OPTION_HELPERS.text({ requird: true } as object)).toThrow(
    'an option has an unknown key "requird"; did you mean "required"?',
  );
});

test("what is right is taken as it is", () => {
  for (const whenBroken of ["pass", "refuse", undefined]) {
    expect(filterWith({ whenBroken })).toMatchObject({ kind: "filter" });
  }
  expect(protocolWith({ moves: false, start() {} })).toMatchObject({ kind: "protocol" });
});

function proxiedWith(more: object): unknown {
  const scanner = (): number => 0;
  const definition = {
    ...{ api: 1, name: "ping", requestScanner: scanner, replyScanner: scanner, probe: "PING\r\n" },
    ...{ failure: () => "ERR\r\n", key: () => null, ...more },
  };
  return readDefinition({ kind: "protocol", definition });
}

test("a protocol with servers says which server, how to fail, and what to ask", () => {
  expect(proxiedWith({})).toMatchObject({ kind: "protocol" });
  expect(proxiedWith({ key: undefined, request: () => {} })).toMatchObject({ kind: "protocol" });
  const either = 'it needs either "key" or "request", which say what server a request goes to';
  expect(proxiedWith({ key: undefined })).toBe(either);
  expect(proxiedWith({ request: () => {} })).toBe(either);
  expect(proxiedWith({ failure: undefined })).toBe('"failure" is not a function');
  expect(proxiedWith({ requestScanner: undefined })).toBe('"requestScanner" is not a function');
  expect(proxiedWith({ handshake: ["HELLO"] })).toBe('"handshake" is not a function');
  expect(proxiedWith({ probe: "" })).toBe('"probe" is no request: a text or a Uint8Array');
  expect(proxiedWith({ fail: () => "" })).toContain('unknown key "fail"');
});
