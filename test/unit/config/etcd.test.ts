/** `etcd` and the options beside it. */
import { describe, expect, test } from "bun:test";
import { formatProblem } from "../../../src/config/problem.ts";
import { loadConfig } from "../../support/load-config.ts";

const POOLS = 'pools: { main: { listen: "127.0.0.1:1", servers: ["127.0.0.1:2:1 a"] } }';

function load(...lines: readonly string[]): ReturnType<typeof loadConfig> {
  return loadConfig([...lines, POOLS, ""].join("\n"), "/etc/proxy/F");
}

describe("etcd", () => {
  test("has its addresses, and files beside the configuration", () => {
    const { config, problems } = load(
      'etcd: ["http://127.0.0.1:2379/", "https://etcd.example:2379"]',
      ...["etcd_prefix: /proxy/shop", "etcd_user: u", "etcd_password_file: password"],
      ...["etcd_ca_file: /ca.pem", "etcd_cert_file: a.pem", "etcd_key_file: a.key"],
    );
    expect(problems).toEqual([]);
    expect(config?.etcd).toEqual({
      ...{ urls: ["http://127.0.0.1:2379", "https://etcd.example:2379"], prefix: "/proxy/shop" },
      ...{ user: "u", passwordFile: "/etc/proxy/password", caFile: "/ca.pem" },
      ...{ certFile: "/etc/proxy/a.pem", keyFile: "/etc/proxy/a.key" },
    });
  });

  test("is not there unless the file says so", () => {
    expect(load().config?.etcd).toBeNull();
  });

  test.each([
    ["etcd: []", "expected a list of addresses"],
    ["etcd: [127.0.0.1:2379]", "expected a list of addresses"],
    ['etcd: ["http://user:secret@127.0.0.1:2379"]', "expected a list of addresses"],
    ['etcd: ["http://127.0.0.1:2379/v3"]', "expected a list of addresses"],
    ['etcd: ["http://a:1"]\netcd_prefix: /proxy/', "without a slash at its end"],
    ['etcd: ["http://a:1"]\netcd_user: me', "etcd_user needs etcd_password_file beside it"],
    ['etcd: ["http://a:1"]\netcd_key_file: k', "etcd_key_file needs etcd_cert_file beside it"],
    ["etcd_user: me", 'has no effect without "etcd"'],
  ])("%p is told of", (lines, why) => {
    const { problems } = load(lines);
    expect(problems.map((each) => formatProblem(each, null)).join()).toContain(why);
  });
});
