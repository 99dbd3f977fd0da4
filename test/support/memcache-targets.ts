/** One memcached alone, and proxies over one, over four, and over two whose replies come in pieces: what is asked of one is asked of all. */
import { type ChoppingRelay, startChoppingRelay } from "./chopping-relay.ts";
import { freePort } from "./free-port.ts";
import { type MemcachedServer, startMemcached } from "./memcached-server.ts";
import { memcachePool, type ProxyProcess, startProxy } from "./proxy-process.ts";
import type { Endpoint } from "./server-process.ts";

export interface MemcacheTargets {
  /** All of them, in order to empty them. */
  readonly servers: readonly MemcachedServer[];
  /** The one that is asked straight. */
  readonly model: Endpoint;
  readonly targets: readonly { readonly name: string; readonly endpoint: Endpoint }[];
  stop(): Promise<void>;
}

/** Whether decr pads a number with blanks depends on whether an earlier reply still holds it: then none may. */
const ONE_AT_A_TIME = { args: ["-R", "1"] };

export async function startMemcacheTargets(): Promise<MemcacheTargets> {
  const servers = await Promise.all(Array.from({ length: 8 }, () => startMemcached(ONE_AT_A_TIME)));
  const [model, ...others] = servers.map(({ host, port }) => ({ host, port }));
  if (model === undefined) throw new Error("no server");
  const [one, four, two] = [others.splice(0, 1), others.splice(0, 4), others];
  const relays: ChoppingRelay[] = two.map((server) => startChoppingRelay(server, Math.random));
  const proxies: ProxyProcess[] = [];
  const startTarget = async (
    name: string,
    behind: readonly { readonly host: string; readonly port: number }[],
  ): Promise<MemcacheTargets["targets"][number]> => {
    const port = freePort();
    const config = memcachePool({ listen: `127.0.0.1:${port}`, servers: behind });
    proxies.push(await startProxy({ config }));
    return { name, endpoint: { host: "127.0.0.1", port } };
  };
  const targets = [
    await startTarget("over one server", one),
    await startTarget("over four servers", four),
    await startTarget("over two servers that answer in pieces", relays),
  ];
  const stop = async (): Promise<void> => {
    await Promise.all(proxies.map((proxy) => proxy.stop()));
    for (const relay of relays) relay.stop();
    await Promise.all(servers.map((server) => server.stop()));
  };
  return { servers, model, targets, stop };
}
