import { expect, test } from "bun:test";
import { controlPath, controlPaths } from "../../../src/config/control-path.ts";

const FILE = "/etc/proxy/proxy.yaml";

test("the same file leads to the same socket, another file to another", () => {
  const place = { uid: 0, environment: {} };
  expect(controlPath(FILE, place)).toEqual(controlPath(FILE, place));
  expect(controlPath(FILE, place).path).toMatch(/^\/run\/proxy-[0-9a-f]{12}\.sock$/);
  expect(controlPath(`${FILE}2`, place).path).not.toBe(controlPath(FILE, place).path);
});

test("other users have it where they may write, root finds that of the unit", () => {
  const user = controlPath(FILE, { uid: 7, environment: { XDG_RUNTIME_DIR: "/run/user/7" } });
  expect(user.path).toStartWith("/run/user/7/proxy-");
  const plain = controlPath(FILE, { uid: 7, environment: {} });
  expect(plain.privateFolder).toBe("/tmp/proxy-7");
  expect(plain.path).toStartWith("/tmp/proxy-7/proxy-");
  const unit = controlPath(FILE, { uid: 7, environment: { RUNTIME_DIRECTORY: "/run/proxy" } });
  expect(controlPaths(FILE, { uid: 0, environment: {} })).toContain(unit.path);
});
