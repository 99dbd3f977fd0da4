import { expect, test } from "bun:test";
import { moduleInStack } from "../../../src/modules/module-in-stack.ts";

const modules = [
  { name: "deny", path: "/etc/proxy/deny.ts" },
  { name: "audit", path: "/etc/proxy/audit.ts" },
];

test("a module is known by its file in a stack, whatever folder that is relative to", () => {
  const named = (frame: string): string | undefined =>
    moduleInStack(`Error: at x (deny.ts:1:1)\n    at run (node:fs:1:1)\n    ${frame}`, modules)
      ?.name;
  expect(named("at later (../../etc/proxy/audit.ts:3:67)")).toBe("audit");
  expect(named("at <anonymous> (/etc/proxy/audit.ts:3:67)")).toBe("audit");
  expect(named("at async ./audit.ts:3:67")).toBe("audit");
  expect(named("at later (../src/modules/load.ts:3:67)")).toBeUndefined();
  expect(named("at later (my-audit.ts:3:67)")).toBeUndefined();
});
