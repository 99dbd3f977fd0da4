/** The servers of one pool as the author of its protocol sees them. */
import type { Bytes, Server } from "proxy/module";
import type { PoolHost } from "../api/protocol-module.ts";
import { ACCESS, PlainFacts } from "../api/request-facts.ts";
import { FIRST_KIND, type Upstream } from "../api/upstream.ts";
import { bytesOf } from "./message.ts";

const NUMBER_BITS = 20;

/** See Server.number: FNV-1a, folded. */
function numberOf(name: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(name)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return (hash >>> NUMBER_BITS) ^ (hash & (2 ** NUMBER_BITS - 1));
}

/** What is wrong with servers of these names, as a sentence; null: nothing. */
export function nameFault(names: readonly string[]): string | null {
  const known = new Map<number, string>();
  for (const name of names) {
    const other = known.get(numberOf(name));
    if (other !== undefined) {
      return `the names of the servers "${other}" and "${name}" give the same number: name one of them otherwise`;
    }
    known.set(numberOf(name), name);
  }
  return null;
}

export class ProxiedServer implements Server {
  readonly upstream: Upstream;
  readonly index: number;
  readonly number: number;
  /** Shared connections to it. */
  private readonly connections: number;

  constructor(upstream: Upstream, index: number, connections: number) {
    this.upstream = upstream;
    this.index = index;
    this.number = numberOf(upstream.name);
    this.connections = connections;
  }

  get name(): string {
    return this.upstream.name;
  }

  get isUp(): boolean {
    const { upstream } = this;
    if (upstream.isEjected) return false;
    for (let lane = 0; lane < this.connections; lane++) {
      if (upstream.connection(lane, FIRST_KIND).refusal !== null) return false;
    }
    return true;
  }
}

export class ProxiedServers {
  private readonly host: PoolHost;
  private readonly facts: PlainFacts = new PlainFacts();
  private known: readonly ProxiedServer[] = [];
  /** What `known` was made from. */
  private upstreams: readonly Upstream[] = [];
  private turns = 0;

  constructor(host: PoolHost) {
    this.host = host;
  }

  /** In the order of the topology. */
  get all(): readonly ProxiedServer[] {
    const { upstreams } = this.host.route;
    if (upstreams !== this.upstreams) {
      const { serverConnections } = this.host.config;
      this.upstreams = upstreams;
      this.known = upstreams.map(
        (upstream, index) => new ProxiedServer(upstream, index, serverConnections),
      );
    }
    return this.known;
  }

  /** @throws TypeError: `key` is no bytes */
  ofKey(key: Bytes): ProxiedServer | null {
    const upstream = this.upstreamOf(key);
    return this.all.find((server) => server.upstream === upstream) ?? null;
  }

  /** The same. */
  upstreamOf(key: Bytes): Upstream | null {
    const bytes = bytesOf(key, "a key");
    const upstream = this.host.route.pick(this.facts.ofKey(bytes, ACCESS.write));
    this.facts.release();
    return upstream;
  }

  /** The first from place `start` on that is up; if none is, one that is not ejected; null: all are. */
  from(start: number): ProxiedServer | null {
    const { all } = this;
    let spare: ProxiedServer | null = null;
    for (let i = 0; i < all.length; i++) {
      const server = all[(start + i) % all.length]!;
      if (server.isUp) return server;
      if (!server.upstream.isEjected) spare ??= server;
    }
    return spare;
  }

  next(): ProxiedServer | null {
    const server = this.from(this.turns);
    this.turns = server === null ? 0 : server.index + 1;
    return server;
  }

  named(member: string): ProxiedServer | undefined {
    return this.all.find(({ upstream }) => upstream.member === member);
  }
}
