/** Redis's SLOWLOG, answered for the proxy, and the tables of Memcached's binary protocol. */
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { BinaryClient, encodeRequest } from "../support/binary-client.ts";
import { type OperatorRig, respClient, startOperatorRig } from "../support/operator-rig.ts";
import type { RespClient } from "../support/resp-client.ts";
import { commandOf } from "../support/run-command.ts";
import { stopAll, stops } from "../support/upgrade-rig.ts";

setDefaultTimeout(120_000);
afterEach(stopAll);

/** The replies to one STAT, by their keys; of an error its text, under no key. */
async function statisticsOf(client: BinaryClient, key: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  let reply = await client.ask({ opcode: 0x10, key, opaque: 7 });
  while (reply.key !== "") {
    expect([reply.opaque, reply.status]).toEqual([7, 0]);
    found.set(reply.key, reply.value);
    reply = await client.reply();
  }
  if (reply.status !== 0) found.set("", reply.value);
  return found;
}

/** Asks again until the proxy's slow log has an entry: workers tell of them a moment later. */
async function untilLogged(client: RespClient): Promise<string> {
  for (let tries = 0; tries < 200; tries++) {
    const entries = await client.ask("SLOWLOG", "GET");
    if (!entries.startsWith("*0\r\n")) return entries;
    await Bun.sleep(20);
  }
  throw new Error("the slow log never has an entry");
}

async function slowRequest({ redis }: OperatorRig, client: RespClient): Promise<void> {
  process.kill(redis.pid, "SIGSTOP");
  client.command(["GET", "slow"]);
  await Bun.sleep(150);
  process.kill(redis.pid, "SIGCONT");
  await client.replies(1);
}

test("SLOWLOG is the proxy's, in Redis's form, and is reset", async () => {
  const rig = await startOperatorRig(2, ["proxy_commands: true", "slowlog: 100ms"]);
  const client = await respClient(rig.main);
  await client.ask("CLIENT", "SETNAME", "shop");
  expect(await client.ask("SLOWLOG", "LEN")).toBe(":0\r\n");
  await slowRequest(rig, client);
  const entries = await untilLogged(client);
  expect(entries).toMatch(
    /^\*1\r\n\*6\r\n:1\r\n:\d{10}\r\n:\d{6,7}\r\n\*3\r\n\$3\r\nGET\r\n\$4\r\nslow\r\n\$\d+\r\n\.\.\. \(server main-1: queued \d+ us, answered in \d+ us\)\r\n\$\d+\r\n127\.0\.0\.1:\d+\r\n\$4\r\nshop\r\n$/,
  );
  expect(await client.ask("slowlog", "len")).toBe(":1\r\n");
  expect(await client.ask("SLOWLOG", "GET", "0")).toBe("*0\r\n");
  expect(await client.ask("SLOWLOG", "GET", "-1")).toBe(entries);
  expect(await client.ask("SLOWLOG", "GET", "-2")).toStartWith("-ERR count should be");
  expect(await client.ask("SLOWLOG", "GET", "x")).toStartWith("-ERR value is not an integer");
  expect(await client.ask("SLOWLOG", "GET", "1", "2")).toStartWith("-ERR wrong number");
  expect(await client.ask("SLOWLOG", "HELP")).toContain("answered by the proxy");
  // In one piece: what follows a reset does not see what was there before it.
  client.command(["SLOWLOG", "GET"], ["SLOWLOG", "RESET"], ["SLOWLOG", "GET"], ["SLOWLOG", "LEN"]);
  const replies = (await client.replies(4)).map((reply) => reply.toString("latin1"));
  expect(replies).toEqual([entries, "+OK\r\n", "*0\r\n", ":0\r\n"]);
});

test("without proxy_commands, and in a transaction, SLOWLOG is the servers'", async () => {
  const rig = await startOperatorRig(1);
  const client = await respClient(rig.main);
  expect(await client.ask("SLOWLOG", "RESET")).toStartWith("-ERR 'SLOWLOG RESET' could harm");
  expect(await client.ask("SLOWLOG", "HELP")).not.toContain("proxy");
  await commandOf(rig.proxy, "config", "set", "main.proxy_commands", "true");
  expect(await client.ask("SLOWLOG", "RESET")).toBe("+OK\r\n");
  await commandOf(rig.proxy, "config", "set", "main.deny_commands", "[SLOWLOG]");
  expect(await client.ask("SLOWLOG", "LEN")).toContain("is denied by this proxy's configuration");
});

test("STAT proxy TABLE over the binary protocol", async () => {
  const rig = await startOperatorRig(1, ["proxy_commands: true"]);
  const client = await BinaryClient.connect(rig.cache);
  stops.push(async () => client.close());
  const pools = await statisticsOf(client, "proxy pools");
  expect(pools.get("0:pool")).toBe("cache");
  expect((await statisticsOf(client, "proxy")).get("0:table")).toBe("POOLS");
  expect((await statisticsOf(client, "proxy nosuch")).get("")).toContain("no such table");
  // In one piece: each has its own replies, in their order.
  const opaques = [11, 12, 13];
  client.send(
    Buffer.concat(
      opaques.map((opaque) => encodeRequest({ opcode: 0x10, key: "proxy help", opaque })),
    ),
  );
  for (const opaque of opaques) {
    let reply = await client.reply();
    for (; reply.key !== ""; reply = await client.reply()) expect(reply.opaque).toBe(opaque);
    expect(reply.opaque).toBe(opaque);
  }
  await commandOf(rig.proxy, "config", "set", "cache.proxy_commands", "false");
  expect((await statisticsOf(client, "proxy pools")).get("")).toContain("proxy_commands: true");
});
