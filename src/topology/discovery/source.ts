/** Asks where a pool's servers are, in the way that its configuration says. */
import { readFile } from "node:fs/promises";
import type { Address, ServerConfig } from "../../api/config.ts";
import type { Discovery, DiscoverySource } from "../../api/discovery.ts";
import {
  DISCOVERED_SERVERS_MAX,
  DISCOVERY_ANSWER_BYTES_MAX,
  DISCOVERY_ANSWER_MS,
} from "../../base/discovery-limits.ts";
import type { Schedule } from "../../base/schedule.ts";
import { defaultServerName, formatAddress } from "../../config/address.ts";
import { CLUSTER_CONFIG_REQUEST, endOfClusterConfig, readClusterConfig } from "./cluster-config.ts";
import { NameService } from "./name-service.ts";
import { readServerList } from "./server-list.ts";

export interface Answer {
  /** At least one; their names are different. */
  readonly servers: readonly ServerConfig[];
  /** How long this holds; null: the source does not say. */
  readonly ttlMs: number | null;
}

/**
 * Sends `request` and gives what comes until `endOf` says where it ends (0: further on). Rejects with an Error in words, in bounded time
 * and for answers that are too long, too.
 */
export type Exchange = (
  address: Address,
  request: Buffer,
  endOf: (bytes: Buffer) => number,
) => Promise<Buffer>;

export interface AskingOptions {
  readonly discovery: Pick<Discovery, "resolvers">;
  readonly source: DiscoverySource;
  /** Those that the configuration lists, for "names". */
  readonly configured: readonly ServerConfig[];
  readonly schedule: Schedule;
  readonly exchange: Exchange;
}

/**
 * Asks once.
 * @param known where servers are so far: of several addresses a server stays at the one that it has
 * @returns rejects with an Error in words, also when no server is named: that says that something is wrong, not that all have gone
 */
export async function askSource(
  options: AskingOptions,
  known: readonly ServerConfig[],
): Promise<Answer> {
  const { source, discovery, schedule } = options;
  const names = new NameService(discovery.resolvers, schedule, DISCOVERY_ANSWER_MS);
  const answer = await askBy(names, options, known);
  if (answer.servers.length === 0) throw new Error(`${textOf(source)} names no server`);
  if (answer.servers.length > DISCOVERED_SERVERS_MAX) {
    throw new Error(`${answer.servers.length} servers, at most ${DISCOVERED_SERVERS_MAX}`);
  }
  const byName = new Map(answer.servers.map((server) => [server.name, server]));
  return { servers: [...byName.values()], ttlMs: answer.ttlMs };
}

function askBy(
  names: NameService,
  { source, configured, exchange }: AskingOptions,
  known: readonly ServerConfig[],
): Promise<Answer> {
  switch (source.kind) {
    case "dns":
      return byAddress(names, source);
    case "srv":
      return byService(names, source.name, known);
    case "names":
      return byName(names, configured, known);
    case "file":
      return byFile(source.path);
    case "endpoint":
      return byEndpoint(exchange, source.address);
  }
}

async function byAddress(
  names: NameService,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<Answer> {
  const { addresses, ttlMs } = await names.addressesOf(host);
  return { servers: addresses.map((address) => serverAt(address, port)), ttlMs };
}

async function byService(
  names: NameService,
  name: string,
  known: readonly ServerConfig[],
): Promise<Answer> {
  const all = await names.servicesOf(name);
  const best = Math.min(...all.map(({ priority }) => priority));
  const services = all.filter(({ priority }) => priority === best);
  let ttlMs: number | null = null;
  const servers = await Promise.all(
    services.map(async ({ host, port, weight }) => {
      const named = serverAt(host, port);
      const found = await names.addressesOf(host);
      if (found.ttlMs !== null) ttlMs = Math.min(ttlMs ?? found.ttlMs, found.ttlMs);
      const address = placeOf(named, found.addresses, known);
      return { ...named, address, weight: Math.max(1, weight) };
    }),
  );
  return { servers, ttlMs };
}

/** A name that cannot be resolved leaves its server where it is. */
async function byName(
  names: NameService,
  configured: readonly ServerConfig[],
  known: readonly ServerConfig[],
): Promise<Answer> {
  let ttlMs: number | null = null;
  const faults: string[] = [];
  const servers = await Promise.all(
    configured.map(async (server): Promise<ServerConfig> => {
      const { address } = server;
      if (address.kind === "unix") return server;
      try {
        const found = await names.addressesOf(address.host);
        if (found.ttlMs !== null) ttlMs = Math.min(ttlMs ?? found.ttlMs, found.ttlMs);
        return { ...server, address: placeOf(server, found.addresses, known) };
      } catch (error) {
        faults.push((error as Error).message);
        return known.find(({ name }) => name === server.name) ?? server;
      }
    }),
  );
  if (faults.length === configured.length) throw new Error(faults[0]);
  return { servers, ttlMs };
}

async function byFile(path: string): Promise<Answer> {
  const text = await readFile(path, "utf8");
  if (text.length > DISCOVERY_ANSWER_BYTES_MAX) throw new Error(`${path} is too long`);
  try {
    return { servers: readServerList(text), ttlMs: null };
  } catch (error) {
    throw new Error(`${path}: ${(error as Error).message}`);
  }
}

async function byEndpoint(exchange: Exchange, address: Address): Promise<Answer> {
  const reply = await exchange(address, CLUSTER_CONFIG_REQUEST, endOfClusterConfig);
  return { servers: readClusterConfig(reply), ttlMs: null };
}

function serverAt(host: string, port: number): ServerConfig {
  const address = { kind: "tcp", host, port } as const;
  return { name: defaultServerName(formatAddress(address), address), address, weight: 1 };
}

/** One of `addresses`: that at which the server is known to be, if it still has it. */
function placeOf(
  { name, address }: ServerConfig,
  addresses: readonly string[],
  known: readonly ServerConfig[],
): Address {
  if (address.kind === "unix") return address;
  const before = known.find((server) => server.name === name)?.address;
  const isKept = before?.kind === "tcp" && addresses.includes(before.host);
  return { ...address, host: isKept ? before.host : addresses[0]! };
}

/** For messages. */
export function textOf(source: DiscoverySource): string {
  switch (source.kind) {
    case "dns":
      return source.host;
    case "srv":
      return source.name;
    case "file":
      return source.path;
    case "endpoint":
      return formatAddress(source.address);
    case "names":
      return "the configuration";
  }
}
