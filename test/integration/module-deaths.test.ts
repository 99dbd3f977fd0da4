/** A module that ends the workers that it is in. */
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { until } from "../support/echo-proxy.ts";
import { configWith, modulesRig, startWith } from "../support/modules-rig.ts";
import type { RespClient } from "../support/resp-client.ts";
import { commandOf } from "../support/run-command.ts";

// Many processes on a machine that may be busy.
setDefaultTimeout(120_000);

const stops: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

async function linesOf(client: RespClient, request: string, bytes: number): Promise<string> {
  client.send(request);
  await until(`${bytes} bytes`, () => client.unread.length >= bytes);
  return client.unread.toString("latin1");
}

test("a module that ends its workers right after they were ready does not come into use", async () => {
  const rig = modulesRig();
  const config = configWith([rig.path("echo.ts")], [{ name: "e", lines: ["protocol: echo"] }]);
  const { proxy, clients } = await startWith(config, stops);
  const client = clients[0]!;
  const text = readFileSync(rig.path("echo.ts"), "utf8");
  const late = 'name: "echo", start() { void Promise.reject(new Error("late")); }';
  rig.write("echo.ts", text.replace('name: "echo"', late));
  const failed = await commandOf(proxy, "reload");
  expect(failed.code).not.toBe(0);
  expect(failed.errors).toContain("died 5 times in a row right after its start");
  expect(await linesOf(client, "still here", 10)).toBe("still here");
  rig.write("echo.ts", text.replace("c.write(chunk)", "c.write('new')"));
  expect((await commandOf(proxy, "reload")).code).toBe(0);
  expect(await linesOf(client, "?", 13)).toBe("still herenew");
});
