/** Four memcached servers behind the proxy, for tests with binary clients. */
import {
  type BinaryClient,
  type BinaryReply,
  type BinaryRequest,
  encodeRequest,
  storageExtras,
} from "./binary-client.ts";
import { freePort } from "./free-port.ts";
import { type MemcachedServer, startMemcached } from "./memcached-server.ts";
import { memcachePool, type ProxyProcess, startProxy } from "./proxy-process.ts";
import type { Endpoint } from "./server-process.ts";

export const SERVERS = 4;

export interface BinaryPool {
  readonly servers: MemcachedServer[];
  readonly proxy: ProxyProcess;
  readonly endpoint: Endpoint;
}

export async function startPool(lines: readonly string[] = []): Promise<BinaryPool> {
  const servers = await Promise.all(Array.from({ length: SERVERS }, () => startMemcached()));
  const port = freePort();
  const config = memcachePool({ listen: `127.0.0.1:${port}`, servers, lines });
  const proxy = await startProxy({ config });
  return { servers, proxy, endpoint: { host: "127.0.0.1", port } };
}

export async function stopPool({ servers, proxy }: BinaryPool): Promise<void> {
  await proxy.stop();
  await Promise.all(servers.map((server) => server.stop()));
}

/** Sends all in one piece; resolves with the replies up to that to a NOOP behind them. */
export async function pipeline(
  client: BinaryClient,
  requests: BinaryRequest[],
): Promise<BinaryReply[]> {
  const noop = { opcode: 0x0a, opaque: 0xffffffff };
  client.send(Buffer.concat([...requests, noop].map(encodeRequest)));
  const replies = await client.repliesUpTo(noop.opaque);
  return replies.toSpliced(-1);
}

export function set(key: string, value: string, opaque = 0): BinaryRequest {
  return { opcode: 0x01, key, value, extras: storageExtras(), opaque };
}

/** Opcode, status and opaque. */
export function brief({ opcode, status, opaque }: BinaryReply): number[] {
  return [opcode, status, opaque];
}
