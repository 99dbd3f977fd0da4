/** The statistics port against a real nutcracker, and the admin process as a process. */
import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createStatsLayout, statsByteLength } from "../../src/metrics/layout.ts";
import { renderNutcrackerStats } from "../../src/metrics/nutcracker-stats.ts";
import { freePort } from "../support/free-port.ts";
import { type Nutcracker, startNutcracker } from "../support/nutcracker.ts";
import { statsConfig } from "../unit/metrics/stats-config.ts";

let nutcracker: Nutcracker | null = null;

afterEach(async () => {
  await nutcracker?.stop();
  nutcracker = null;
});

/** Everything that a stats port sends until it closes. */
async function readLine(port: number): Promise<string> {
  const closed = Promise.withResolvers<string>();
  let text = "";
  await Bun.connect({
    hostname: "127.0.0.1",
    port,
    socket: {
      data(_, chunk) {
        text += chunk.toString("latin1");
      },
      close: () => closed.resolve(text),
    },
  });
  return closed.promise;
}

describe("against a real nutcracker", () => {
  test("the line has the same bytes but for host, version, times and counts", async () => {
    const servers = {
      // In ring order: shorter names first.
      zulu: ["a", "c", "bb"],
      alpha: ["127.0.0.1", "127.0.0.1:11212", "127.0.0.1:11213"],
    };
    const yaml = `zulu:
  listen: 127.0.0.1:${freePort()}
  redis: true
  servers:
   - 127.0.0.1:7001:1 bb
   - 127.0.0.1:7002:1 c
   - 127.0.0.1:7003:1 a
alpha:
  listen: 127.0.0.1:${freePort()}
  servers:
   - 127.0.0.1:11213:1
   - 127.0.0.1:11212:1
   - 127.0.0.1:11211:1
`;
    nutcracker = await startNutcracker(yaml);
    const config = statsConfig(servers);
    const layout = createStatsLayout(config, 2);
    const line = renderNutcrackerStats(
      {
        config,
        layout,
        memory: new Float64Array(statsByteLength(layout) / 8),
        hostname: "host",
        version: "1.2.3",
        startedAtMs: Date.now(),
      },
      Date.now(),
    );
    const real = await readLine(nutcracker.statsPort);
    expect(real).toContain('"version":"0.5.0"');
    expect(withoutValues(line)).toBe(withoutValues(real));
  });
});

function withoutValues(line: string): string {
  return line
    .replace(/"(source|version)":"[^"]*"/g, '"$1":""')
    .replace(/"(\w+)":\d+([,}])/g, '"$1":0$2');
}
