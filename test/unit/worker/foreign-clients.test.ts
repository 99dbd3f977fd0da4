/** The log advises in the words of the file's form, and does not repeat itself. */
import { expect, test } from "bun:test";
import type { Config } from "../../../src/api/config.ts";
import { LOG_REPEAT_MS } from "../../../src/base/limits.ts";
import type { LogFields } from "../../../src/base/log.ts";
import { LogLimit } from "../../../src/base/log-limit.ts";
import type { Foreign } from "../../../src/protocol/foreign.ts";
import { foreignMessage, warnOfForeign } from "../../../src/worker/foreign-clients.ts";

test.each([
  ["redis", "twemproxy", 'should the pool have "redis: true"?'],
  ["redis", "native", 'should the pool have "protocol: redis" instead of "protocol: memcache"?'],
  ["memcache", "twemproxy", 'should the pool have "redis: false"?'],
  ["memcache", "native", 'should the pool have "protocol: memcache"?'],
] as [Foreign, Config["form"], string][])("%s in a %s file", (foreign, form, advice) => {
  expect(foreignMessage(foreign, form)).toEndWith(advice);
});

test("a line for each pool and protocol, and then one a minute with how many were left out", () => {
  const fields: LogFields[] = [];
  const limit = new LogLimit();
  const pool = (name: string) => ({
    ...{ pool: { name }, form: "native" as const, limit },
    warn: (_: string, more: LogFields) => fields.push(more),
  });
  for (let ms = 0; ms < 10; ms++) {
    warnOfForeign(pool("a"), "redis", `peer-${ms}`, ms);
    warnOfForeign(pool("a"), "tls", `peer-${ms}`, ms);
    warnOfForeign(pool("b"), "redis", `peer-${ms}`, ms);
  }
  warnOfForeign(pool("a"), "redis", "late", LOG_REPEAT_MS);
  expect(fields).toEqual([
    { pool: "a", peer: "peer-0" },
    { pool: "a", peer: "peer-0" },
    { pool: "b", peer: "peer-0" },
    { pool: "a", peer: "late", left_out: 9 },
  ]);
});
