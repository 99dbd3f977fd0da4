/** `proxy check --online`: what the servers of each pool, or those that are asked where they are, say of themselves. */
import type { Address, PoolConfig } from "../api/config.ts";
import type { DiscoverySource } from "../api/discovery.ts";
import { DISCOVERY_ANSWER_MS } from "../base/discovery-limits.ts";
import { schedule } from "../base/schedule.ts";
import { formatAddress, isAsked, parseServerAddress } from "../config/address.ts";
import { TextReplyScanner } from "../protocols/memcache/codec/text/reply-scanner.ts";
import { coverageOf, readSlotView } from "../protocols/redis/cluster/slot-view.ts";
import { decodeReply, ReplyError } from "../protocols/redis/codec/decode.ts";
import { encodeRequest } from "../protocols/redis/codec/encode.ts";
import { RedisReplyScanner } from "../protocols/redis/codec/reply-scanner.ts";
import { type RedisOptions, readRedisOptions } from "../protocols/redis/options.ts";
import {
  agree,
  faultIn,
  readMaster,
  type SentinelView,
} from "../protocols/redis/sentinel/sentinel-view.ts";
import { askSource } from "../topology/discovery/source.ts";
import { askOnce } from "./ask-once.ts";
import { sourceOf } from "./source-of.ts";

/** One line of what was found. */
export interface Finding {
  readonly pool: string;
  readonly isFault: boolean;
  readonly text: string;
}

/** Asks everything at once. */
export async function checkOnline(pools: readonly PoolConfig[]): Promise<Finding[]> {
  const found = await Promise.all(
    pools.map((pool) => {
      const say = (isFault: boolean, text: string): Finding => ({
        ...{ pool: pool.name, isFault, text },
      });
      if (pool.discovery?.source != null) return checkDiscovered(pool, pool.discovery.source, say);
      const source = sourceOf(pool);
      if (source === null)
        return Promise.all(pool.servers.map((server) => checkServer(pool, server.address, say)));
      return source.names === null ? checkCluster(pool, say) : checkSentinels(pool, say);
    }),
  );
  return found.flat();
}

/** What the source names now, and whether each of these servers answers. */
async function checkDiscovered(
  pool: PoolConfig,
  source: DiscoverySource,
  say: Say,
): Promise<Finding[]> {
  const { discovery, servers } = pool;
  try {
    const found = await askSource(
      { source, discovery: discovery!, configured: servers, schedule, exchange: exchangeOnce },
      servers,
    );
    const names = found.servers.map(({ name }) => name).join(", ");
    return [
      say(false, `${discovery?.text} names ${found.servers.length} servers: ${names}`),
      ...(await Promise.all(found.servers.map(({ address }) => checkServer(pool, address, say)))),
    ];
  } catch (error) {
    return [say(true, `${discovery?.text}: ${wordsOf(error)}`)];
  }
}

async function exchangeOnce(
  address: Address,
  request: Buffer,
  endOf: (bytes: Buffer) => number,
): Promise<Buffer> {
  const scan = (bytes: Buffer, start: number, end: number): number => {
    const length = endOf(bytes.subarray(start, end));
    return length === 0 ? 0 : start + length;
  };
  const [reply] = await askOnce({
    ...{ address, requests: [request], timeoutMs: DISCOVERY_ANSWER_MS },
    scanner: { scan, need: 0 },
  });
  return reply!;
}

type Say = (isFault: boolean, text: string) => Finding;

async function checkServer(pool: PoolConfig, address: Address, say: Say): Promise<Finding> {
  const place = formatAddress(address);
  try {
    if (pool.protocol === "redis") {
      const [role] = await askRedis(pool, address, serverPassword(pool), [["ROLE"]]);
      const is = Array.isArray(role) && Buffer.isBuffer(role[0]) ? `, ${role[0]}` : "";
      return say(false, `${place}: answers${is}`);
    }
    const isMemcache = pool.protocol === "memcache";
    await askOnce({
      ...{ address, timeoutMs: pool.connectTimeoutMs },
      requests: isMemcache ? [Buffer.from("version\r\n")] : [],
      scanner: isMemcache ? new TextReplyScanner() : new RedisReplyScanner(2),
    });
    return say(false, `${place}: ${isMemcache ? "answers" : "accepts connections"}`);
  } catch (error) {
    return say(true, `${place}: ${wordsOf(error)}`);
  }
}

function checkCluster(pool: PoolConfig, say: Say): Promise<Finding[]> {
  return Promise.all(
    pool.servers.map(async ({ name, address }) => {
      try {
        const [slots] = await askRedis(pool, address, serverPassword(pool), [["CLUSTER", "SLOTS"]]);
        const view = readSlotView(slots ?? null, name);
        if (view === null) return say(true, `${name}: it is no node of a cluster`);
        const primaries = new Set(view.ranges.map(([, , owner]) => owner)).size;
        return say(
          false,
          `${name}: ${primaries} primaries have ${coverageOf(view)} of 16384 slots`,
        );
      } catch (error) {
        return say(true, `${name}: ${wordsOf(error)}`);
      }
    }),
  );
}

async function checkSentinels(pool: PoolConfig, say: Say): Promise<Finding[]> {
  const options = readRedisOptions(pool.options);
  const names = pool.servers.map(({ address }) => (address.kind === "tcp" ? address.host : ""));
  const questions = names.flatMap((name) => [
    ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", name],
    ["SENTINEL", "MASTER", name],
  ]);
  const views: SentinelView[] = [];
  const findings = await Promise.all(
    options.sentinels.map(async (text) => {
      try {
        const address = parseServerAddress(text) as Address;
        const replies = await askRedis(pool, address, sentinelPassword(options), questions);
        const fault = replies.map(faultIn).find((each) => each !== null);
        if (fault !== undefined) return say(true, `sentinel ${text}: ${fault}`);
        const view = names.map((name, i) => {
          return readMaster(name, replies[2 * i] ?? null, replies[2 * i + 1] ?? null);
        });
        const known = view.filter((place) => place !== null);
        views.push(known);
        return say(false, `sentinel ${text}: knows ${known.length} of ${names.length} masters`);
      } catch (error) {
        return say(true, `sentinel ${text}: ${wordsOf(error)}`);
      }
    }),
  );
  const places = agree(names, views, [], options.sentinels.length);
  const masters = await Promise.all(
    names.map(async (name) => {
      const place = places.find((each) => each.name === name);
      if (place === undefined) {
        const asked = views.length === 0 ? "no sentinel answers" : "no sentinel knows it";
        return say(true, `master ${name}: ${asked}`);
      }
      const address = parseServerAddress(place.address) as Address;
      const { isFault, text } = await checkServer(pool, address, say);
      return say(isFault, `master ${name}: ${text}`);
    }),
  );
  return [...findings, ...masters];
}

function serverPassword(pool: PoolConfig): readonly string[] | null {
  const { password } = readRedisOptions(pool.options);
  return password === null ? null : [password];
}

function sentinelPassword({ sentinelUser, sentinelPassword }: RedisOptions): string[] | null {
  if (sentinelPassword === null) return null;
  return sentinelUser === null ? [sentinelPassword] : [sentinelUser, sentinelPassword];
}

/** @param password what AUTH gets; null: there is none. @throws an Error that says why there are no replies */
async function askRedis(
  pool: PoolConfig,
  address: Address,
  password: readonly string[] | null,
  questions: readonly (readonly string[])[],
): Promise<ReturnType<typeof decodeReply>[]> {
  if (isAsked(address)) throw new Error("its address is not known");
  const words = [...(password === null ? [] : [["AUTH", ...password]]), ...questions];
  const bytes = await askOnce({
    address,
    requests: words.map(([name = "", ...rest]) => encodeRequest(name, ...rest)),
    scanner: new RedisReplyScanner(2),
    timeoutMs: pool.connectTimeoutMs,
  });
  const replies = bytes.map((reply) => decodeReply(reply, 0));
  const [first] = replies;
  if (password === null) {
    if (first instanceof ReplyError && first.text.startsWith("NOAUTH")) throw new Error(first.text);
    return replies;
  }
  if (first instanceof ReplyError) throw new Error(`AUTH: ${first.text}`);
  return replies.toSpliced(0, 1);
}

function wordsOf(error: unknown): string {
  const { code, message } = error as { readonly code?: string; readonly message: string };
  return code ?? message;
}
