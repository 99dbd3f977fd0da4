import { afterAll, describe, expect, test } from "bun:test";
import type { Engine } from "../../../src/api/engine.ts";
import { closeEngines, ENGINES, engineNamed } from "../../support/engines.ts";

afterAll(closeEngines);

describe.each(ENGINES)("%s", (name) => {
  const engine = (): Engine => engineNamed(name);

  test("its clock goes on within a turn, and what comes later does so in another one", async () => {
    const { promise, resolve } = Promise.withResolvers<number>();
    engine().timer(0, () => {
      const startMs = engine().nowMs();
      const endMs = performance.now() + 2;
      while (performance.now() < endMs);
      const tookMs = engine().nowMs() - startMs;
      let isLater = false;
      engine().later(() => {
        expect(isLater).toBe(true);
        resolve(tookMs);
      });
      isLater = true;
    });
    expect(await promise).toBeGreaterThanOrEqual(2);
  });
});
