/** A client as CLIENT LIST shows it: every field that Redis prints, in its order. What has no meaning here is 0. */
import type { RedisClient } from "../redis-client.ts";
import type { ClientType } from "./client-directory.ts";

export function clientLine(client: RedisClient): string {
  const { state, session, lastCommand } = client;
  const { subscriber, transaction } = client.features;
  const { nowMs } = client.pool.turn;
  const topics = subscriber?.topics;
  const unsent = session.unsentBytes;
  const fields = {
    id: state.id,
    addr: addressOf(client),
    laddr: localAddressOf(client),
    fd: session.fd,
    name: state.name,
    age: seconds(nowMs - client.createdMs),
    idle: seconds(nowMs - client.lastRequestMs),
    flags: flagsOf(client),
    db: state.database,
    sub: topics?.channel.size ?? 0,
    psub: topics?.pattern.size ?? 0,
    ssub: topics?.shard.size ?? 0,
    multi: transaction?.queued ?? -1,
    ...{ qbuf: 0, "qbuf-free": 0, "argv-mem": 0, "multi-mem": 0, rbs: 0, rbp: 0, obl: 0, oll: 0 },
    omem: unsent,
    "tot-mem": unsent,
    events: unsent > 0 ? "rw" : "r",
    cmd: lastCommand === null ? "NULL" : lastCommand.name.toLowerCase(),
    user: userOf(client),
    redir: -1,
    resp: state.version,
    "lib-name": state.libraryName,
    "lib-ver": state.libraryVersion,
  };
  const texts = Object.entries(fields).map(([name, value]) => `${name}=${value}`);
  return `${texts.join(" ")}\n`;
}

export function addressOf({ session, pool }: RedisClient): string {
  return shown(session.peer, pool.unixPath);
}

export function localAddressOf({ session, pool }: RedisClient): string {
  return shown(session.localAddress, pool.unixPath);
}

export function userOf({ state }: RedisClient): string {
  return state.user ?? "default";
}

export function typeOf({ features }: RedisClient): ClientType {
  const { subscriber } = features;
  return subscriber !== null && subscriber.total > 0 ? "pubsub" : "normal";
}

function flagsOf(client: RedisClient): string {
  const { state, pool } = client;
  const { block, transaction } = client.features;
  const flags = [
    typeOf(client) === "pubsub" ? "P" : "",
    (transaction?.queued ?? -1) >= 0 ? "x" : "",
    // Not before its server has it: then it can be let go.
    block !== null && block.idOnServer !== null ? "b" : "",
    pool.unixPath !== null ? "U" : "",
    state.noEvict ? "e" : "",
    state.noTouch ? "T" : "",
  ].join("");
  return flags === "" ? "N" : flags;
}

/** Redis's form of an address: IPv6 in brackets, a unix socket with port 0. */
function shown(address: string, unixPath: string | null): string {
  if (unixPath !== null) return `${unixPath}:0`;
  const at = address.lastIndexOf(":");
  const host = address.substring(0, at);
  return host.includes(":") ? `[${host}]${address.substring(at)}` : address;
}

function seconds(ms: number): number {
  return Math.max(0, Math.floor(ms / 1000));
}
