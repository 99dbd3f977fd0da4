/** Whose limits a client is held to, when it becomes another user. */
import { expect, test } from "bun:test";
import { ThrottleScope } from "../../../src/client/meter.ts";
import { ClientThrottle, type ThrottlingPool } from "../../../src/client/throttle.ts";

test("a user's scope is looked up when the client becomes that user, and not with each request", () => {
  const asked: string[] = [];
  const scopes: Map<string, ThrottleScope> = new Map();
  const pool = {
    scope: new ThrottleScope(""),
    action: "delay" as const,
    limitsUsers: true,
    onOver() {},
    touch() {},
    userOf(name: string) {
      asked.push(name);
      const scope = scopes.get(name) ?? new ThrottleScope(name, true);
      scopes.set(name, scope);
      return scope;
    },
  };
  const session = { stopToken: -1, frontend: { user: "default" } };
  const client = new ClientThrottle(
    session,
    pool satisfies ThrottlingPool,
    new ThrottleScope("address"),
    0,
  );
  const holders = (): number[] => [...scopes.values()].map(({ connections }) => connections);
  for (let i = 0; i < 5; i++) client.received(10);
  expect([asked, holders()]).toEqual([["default"], [1]]);
  session.frontend.user = "other";
  for (let i = 0; i < 5; i++) client.received(10);
  expect([asked, holders()]).toEqual([
    ["default", "other"],
    [0, 1],
  ]);
  // The limits of users were taken away, and come back.
  pool.limitsUsers = false;
  client.received(10);
  expect(holders()).toEqual([0, 0]);
  pool.limitsUsers = true;
  client.received(10);
  expect([asked.length, holders()]).toEqual([3, [0, 1]]);
});
