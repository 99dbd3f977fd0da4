import { expect, test } from "bun:test";
import { respawnDelayMs } from "../../../../src/supervisor/process/respawn-delay.ts";

test("the first replacement comes at once, the next ones ever later, none later than 5 s", () => {
  expect([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 2000].map(respawnDelayMs)).toEqual([
    0, 0, 100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000,
  ]);
});
