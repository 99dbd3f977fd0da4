import { expect, test } from "bun:test";
import { findFreePort, isPortFree } from "../../../src/cli/dev-port.ts";

function occupy(): { port: number; stop(): void } {
  const socket = { data() {} };
  const options = { hostname: "127.0.0.1", port: 0, reusePort: true, socket };
  const listener = Bun.listen(options as Bun.TCPSocketListenOptions<undefined>);
  return { port: listener.port, stop: () => listener.stop(true) };
}

test("a port that somebody listens on is not free, even where it could be shared", () => {
  const taken = occupy();
  try {
    expect(isPortFree(taken.port)).toBe(false);
    const found = findFreePort(taken.port);
    expect(found === null || found > taken.port).toBe(true);
  } finally {
    taken.stop();
  }
  expect(isPortFree(taken.port)).toBe(true);
  expect(findFreePort(taken.port)).toBe(taken.port);
});
