/** The options of etcd: what is wrong with them, and what they come to. */
import { dirname, resolve } from "node:path";
import type { EtcdConfig } from "../api/config.ts";
import type { Scope, Values } from "./scope.ts";

/** They mean something with `etcd` only. */
const BESIDE = [
  ...["etcd_prefix", "etcd_user", "etcd_password_file"],
  ...["etcd_ca_file", "etcd_cert_file", "etcd_key_file"],
];
/** One goes with the other. */
const PAIRS = [
  ["etcd_user", "etcd_password_file"],
  ["etcd_cert_file", "etcd_key_file"],
] as const;

export function checkEtcd(scope: Scope, top: Values): void {
  if (top.node("etcd") === undefined) {
    for (const name of BESIDE) {
      if (top.node(name) === undefined) continue;
      scope.problems.warn(top.offsetOf(name), name, `${name} has no effect without "etcd"`);
    }
    return;
  }
  const fail = (name: string, message: string): void => {
    scope.problems.error(top.offsetOf(name), name, message);
  };
  const prefix = top.peek("etcd_prefix");
  if (typeof prefix === "string" && !/^[!-~]*[!-.0-~]$/.test(prefix)) {
    fail(
      "etcd_prefix",
      "etcd_prefix: expected ASCII without blanks and without a slash at its end",
    );
  }
  for (const pair of PAIRS) {
    const there = pair.filter((name) => top.node(name) !== undefined);
    const missing = pair.filter((name) => top.node(name) === undefined);
    if (there.length === 1) fail(there[0]!, `${there[0]} needs ${missing[0]} beside it`);
  }
}

/** Null: there is none. */
export function readEtcd(top: Values, file: string): EtcdConfig | null {
  const urls = top.textsOrNull("etcd") ?? [];
  if (urls.length === 0) return null;
  const pathOf = (name: string): string | null => {
    const path = top.textOrNull(name);
    return path === null ? null : resolve(dirname(resolve(file)), path);
  };
  return {
    urls: urls.map((url) => url.replace(/\/$/, "")),
    prefix: top.textOrNull("etcd_prefix") ?? "/proxy",
    user: top.textOrNull("etcd_user"),
    passwordFile: pathOf("etcd_password_file"),
    caFile: pathOf("etcd_ca_file"),
    certFile: pathOf("etcd_cert_file"),
    keyFile: pathOf("etcd_key_file"),
  };
}
