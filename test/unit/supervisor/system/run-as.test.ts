/** Names of users and groups, as whoever runs the tests. Becoming somebody else is tried in test/integration/run-as.test.ts. */
import { expect, test } from "bun:test";
import { findGroup, findUser, groupsOf } from "../../../../src/os/identity.ts";
import { resolveRunAs } from "../../../../src/supervisor/system/run-as.ts";
import { loadConfig } from "../../../support/load-config.ts";

function resolve(lines: string) {
  const { config } = loadConfig(
    `${lines}\npools: { a: { listen: "h:1", servers: ["h:2:1"] } }\n`,
    "f",
  );
  return resolveRunAs(config!);
}

test("names are looked up", () => {
  expect(findUser("root")).toEqual({ uid: 0, gid: 0 });
  expect(findGroup("root")).toBe(0);
  expect(findUser("no-such-user")).toBeNull();
  expect(findGroup("no-such-group")).toBeNull();
  expect(groupsOf("root", 0)).toContain(0);
});

test("without names nobody changes", () => {
  expect(resolve("")).toBeNull();
});

test("unknown names are told, both at once", () => {
  expect(() => resolve("user: no-such-user\ngroup: no-such-group")).toThrow(
    'user "no-such-user" does not exist\ngroup "no-such-group" does not exist',
  );
});

test("root can become somebody else, others are told that they cannot", () => {
  if (process.geteuid?.() === 0) {
    const nobody = findUser("nobody")!;
    expect(resolve("user: nobody")).toEqual({
      uid: nobody.uid,
      gid: nobody.gid,
      groups: groupsOf("nobody", nobody.gid),
    });
    expect(resolve("user: nobody\ngroup: root")).toEqual({ uid: nobody.uid, gid: 0, groups: [0] });
    expect(resolve("group: root")).toEqual({ uid: 0, gid: 0, groups: [0] });
  } else {
    expect(() => resolve("user: root")).toThrow('cannot become user "root": only root can');
  }
});
