/** An ordinary user with few open files and many clients: more descriptors than the kernel lets a user have underway. */
import { afterEach, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { GenerationResult } from "../../src/api/control-socket.ts";
import { findUser } from "../../src/os/identity.ts";
import { freePort } from "../support/free-port.ts";
import { startProxy } from "../support/proxy-process.ts";
import { startRedis } from "../support/redis-server.ts";
import { RespClient } from "../support/resp-client.ts";
import { mustRun } from "../support/run-command.ts";
import { stopAll, stops } from "../support/upgrade-rig.ts";

afterEach(stopAll);

const FILES = 300;
const WORKERS = 4;
/** In all; each worker has room for its part twice over, but not the user for all of them underway. */
const CLIENTS = 720;
const ROUNDS = 3;

/** Root may have as many underway as it likes, so it becomes a user without privileges. */
function asOrdinaryUser(): string[] {
  const limit = ["prlimit", `--nofile=${FILES}:${FILES}`];
  const nobody = findUser("nobody");
  if (process.geteuid?.() !== 0 || nobody === null) return limit;
  const { uid, gid } = nobody;
  const drop = `setpriv --reuid=${uid} --regid=${gid} --clear-groups`;
  // Its directory is made for root alone.
  const script = `chown -R ${uid}:${gid} . && exec ${limit.join(" ")} ${drop} "$@"`;
  return ["sh", "-c", script, "sh"];
}

test("reloads with more clients than descriptors may be underway lose none", async () => {
  const server = await startRedis();
  stops.push(() => server.stop());
  const port = freePort();
  const config = (timeoutMs: number): string =>
    [
      `workers: ${WORKERS}`,
      // Each worker gets the same number of clients.
      "accept: dispatch",
      // Root, who gives the command, would look elsewhere.
      `control: ${join(tmpdir(), `proxy-test-${port}.sock`)}`,
      "pools:",
      "  pool:",
      `    listen: 127.0.0.1:${port}`,
      `    timeout: ${timeoutMs}`,
      "    servers:",
      `      - ${server.host}:${server.port}:1 s0`,
      "",
    ].join("\n");
  const proxy = await startProxy({
    config: config(4000),
    wrapper: asOrdinaryUser(),
  });
  stops.push(() => proxy.stop());
  const clients: RespClient[] = [];
  stops.push(async () => {
    for (const client of clients) client.close();
  });
  while (clients.length < CLIENTS) {
    const client = await RespClient.connect({ host: "127.0.0.1", port });
    expect(await client.ask("PING")).toBe("+PONG\r\n");
    clients.push(client);
  }
  for (let round = 0; round < ROUNDS; round++) {
    writeFileSync(proxy.configFile, config(4001 + round));
    const { crew } = await mustRun<{ readonly crew: GenerationResult }>(proxy, "reload");
    expect(crew).toMatchObject({ moved: CLIENTS, left: 0, lost: 0 });
    for (const client of clients) client.command(["PING"]);
    for (const client of clients) expect(`${await client.reply()}`).toBe("+PONG\r\n");
  }
}, 180_000);
