/** One proxy before servers that know users, and lines that are typed to both. */
import { expect } from "bun:test";
import { freePort } from "./free-port.ts";
import { type ProxyProcess, redisPool, startProxy } from "./proxy-process.ts";
import { type RedisServer, startRedis } from "./redis-server.ts";
import { RespClient } from "./resp-client.ts";
import type { Endpoint } from "./server-process.ts";

export interface IdentityRig {
  readonly servers: readonly RedisServer[];
  readonly proxy: ProxyProcess;
  readonly endpoint: Endpoint;
  stop(): Promise<void>;
}

export async function startIdentityRig(
  options: { servers?: number; workers?: number; lines?: string[]; args?: string[] } = {},
): Promise<IdentityRig> {
  const { servers: count = 1, workers = 1, lines = [], args = [] } = options;
  const servers = await Promise.all(Array.from({ length: count }, () => startRedis({ args })));
  const port = freePort();
  const proxy = await startProxy({
    config: redisPool({ listen: `127.0.0.1:${port}`, servers, lines }),
    args: ["--workers", String(workers)],
  });
  const endpoint = { host: "127.0.0.1", port };
  const stop = async (): Promise<void> => {
    await proxy.stop();
    await Promise.all(servers.map((server) => server.stop()));
  };
  return { servers, proxy, endpoint, stop };
}

/** What differs by nature: ids, addresses, sizes. What CLIENT LIST says otherwise must be the same, field by field. */
function comparable(reply: Buffer): string {
  return reply
    .toString("latin1")
    .replace(/\$2\r\nid\r\n:\d+/g, "id")
    .replace(/^[$=]\d+\r\n(?=(txt:)?id=)/gm, "")
    .replace(
      / (?:id|l?addr|fd|age|idle|qbuf|qbuf-free|argv-mem|multi-mem|rb[sp]|o[bl]l|o?mem|tot-mem|omem|events)=\S*/g,
      (field) => field.replace(/=.*/, ""),
    )
    .replace(/id=\d+/g, "id")
    .replace(/ lib-name=\S* lib-ver=\S*/g, "");
}

/** Each line on its own: the next is sent when the reply is there. With a ";" several at once; "!" expects no reply. */
async function play(endpoint: Endpoint, lines: readonly string[]): Promise<string[]> {
  const client = await RespClient.connect(endpoint);
  const heard: string[] = [];
  try {
    for (const line of lines) {
      const isSilent = line.startsWith("!");
      const commands = line.replace(/^!/, "").split(" ; ");
      client.send(commands.map((command) => `${command}\r\n`).join(""));
      if (isSilent) continue;
      heard.push(`${line} -> ${comparable(await client.reply())}`);
    }
    // Whatever came besides would be before this.
    client.send("HELLO x\r\n");
    heard.push(comparable(await client.reply()));
  } finally {
    client.close();
  }
  return heard;
}

export async function eventually(what: string, isTrue: () => Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + 30_000;
  while (!(await isTrue())) {
    if (performance.now() > deadlineMs) throw new Error(`waited in vain until ${what}`);
    await Bun.sleep(20);
  }
}

/** Plays it straight and through the proxy, on new connections. */
export async function compare(rig: IdentityRig, lines: readonly string[]): Promise<void> {
  const { host, port } = rig.servers[0]!;
  const straight = await play({ host, port }, lines);
  expect(await play(rig.endpoint, lines)).toEqual(straight);
}
