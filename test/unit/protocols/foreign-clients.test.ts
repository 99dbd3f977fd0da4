/** The log advises in the words of the file's form, and does not repeat itself. */
import { expect, test } from "bun:test";
import type { Config, PoolConfig } from "../../../src/api/config.ts";
import { LOG_REPEAT_MS } from "../../../src/base/limits.ts";
import type { LogFields } from "../../../src/base/log.ts";
import { LogLimit } from "../../../src/base/log-limit.ts";
import type { Turn } from "../../../src/base/turn.ts";
import type { Foreign } from "../../../src/protocols/foreign.ts";
import { foreignMessage, warnOfForeign } from "../../../src/protocols/foreign-clients.ts";

test.each([
  ["redis", "twemproxy", 'should the pool have "redis: true"?'],
  ["redis", "native", 'should the pool have "protocol: redis" instead of "protocol: memcache"?'],
  ["memcache", "twemproxy", 'should the pool have "redis: false"?'],
  ["memcache", "native", 'should the pool have "protocol: memcache"?'],
] as [Foreign, Config["form"], string][])("%s in a %s file", (foreign, form, advice) => {
  expect(foreignMessage(foreign, form)).toEndWith(advice);
});

test("a line for each pool and protocol, and then one a minute with how many were left out", () => {
  const lines: [string, LogFields][] = [];
  const logLimit = new LogLimit();
  const warn = (name: string, foreign: Foreign, peer: string, nowMs: number): void =>
    warnOfForeign(
      {
        ...{ config: { name } as PoolConfig, form: "native", logLimit, turn: { nowMs } as Turn },
        log: { warn: (_, fields) => lines.push([name, fields!]) },
      },
      foreign,
      peer,
    );
  for (let ms = 0; ms < 10; ms++) {
    warn("a", "redis", `peer-${ms}`, ms);
    warn("a", "tls", `peer-${ms}`, ms);
    warn("b", "redis", `peer-${ms}`, ms);
  }
  warn("a", "redis", "late", LOG_REPEAT_MS);
  expect(lines).toEqual([
    ["a", { event: "client_is_foreign", peer: "peer-0" }],
    ["a", { event: "client_is_foreign", peer: "peer-0" }],
    ["b", { event: "client_is_foreign", peer: "peer-0" }],
    ["a", { event: "client_is_foreign", peer: "late", left_out: 9 }],
  ]);
});
