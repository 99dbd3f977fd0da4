/** What the Memcached clients of one pool in one worker share. */
import type { ClientPort } from "../../api/client-port.ts";
import type { Filtering } from "../../api/filter.ts";
import type { Frontend } from "../../api/frontend.ts";
import type { GroupMove, ReceivedPart } from "../../api/move.ts";
import type { UpstreamProtocol } from "../../api/protocol.ts";
import type {
  KeyMoving,
  PoolHost,
  ProtocolPool,
  ReplyReader,
  RequestSummary,
} from "../../api/protocol-module.ts";
import type { RequestReader } from "../../api/request-reader.ts";
import type { PoolCounter } from "../../api/stats.ts";
import type { TtlCap } from "../../api/ttl-cap.ts";
import type { ConnectionKind, Route } from "../../api/upstream.ts";
import { closeFd } from "../../os/fd.ts";
import type { Foreign } from "../foreign.ts";
import { warnOfForeign } from "../foreign-clients.ts";
import { type Operators, operatorsOf } from "../operators.ts";
import { VARIANT_BINARY, VARIANT_TEXT } from "./client/connection-kinds.ts";
import { describeRequest } from "./client/describe-request.ts";
import { createInnerFrontend } from "./client/inner-frontend.ts";
import { memcacheReplyReader } from "./client/key-size.ts";
import { type MemcacheClientState, MemcacheFrontend } from "./client/memcache-frontend.ts";
import type { MemcachePool } from "./client/memcache-pool.ts";
import { SentBinaryReader, SentTextReader } from "./client/sent-request-reader.ts";
import { memcacheFiltering } from "./client/text/filtering.ts";
import { MemcacheTtlCap } from "./client/ttl-cap.ts";
import { createMemcacheBinaryUpstream } from "./codec/binary/upstream-protocol.ts";
import { createMemcacheTextUpstream } from "./codec/text/upstream-protocol.ts";
import { MEMCACHE_METRICS } from "./metrics.ts";
import { answerKeyCounts } from "./migrate/count-keys.ts";
import { ItemGate } from "./migrate/item-gate.ts";
import { ItemMover } from "./migrate/item-mover.ts";
import { type DeadServer, readDeadServer } from "./options.ts";

export class MemcacheProtocolPool implements MemcachePool, ProtocolPool {
  readonly filtering: Filtering = memcacheFiltering;
  readonly serverProtocols: UpstreamProtocol[] = [];
  // memcached's own words, whatever the client was going to speak.
  readonly tooManyClients: Buffer = Buffer.from("ERROR Too many open connections\r\n");
  readonly noDescriptors: Buffer;
  readonly route: Route;
  deadServer: DeadServer;
  readonly operators: Operators;
  readonly gate: ItemGate | null;
  readonly keyMoving?: KeyMoving;
  private readonly host: PoolHost;

  constructor(host: PoolHost) {
    this.host = host;
    this.route = host.route;
    this.deadServer = readDeadServer(host.config.options);
    this.operators = operatorsOf(host);
    const mover = host.config.migrate === true ? new ItemMover(host) : null;
    this.gate = mover === null ? null : new ItemGate(mover, host.route);
    if (mover !== null) {
      this.keyMoving = mover;
      answerKeyCounts(host);
    }
    this.noDescriptors = Buffer.from(
      `ERROR Too many open connections (the proxy's limit of open files, ${host.openFiles}, is reached)\r\n`,
    );
    this.serverProtocols[VARIANT_TEXT] = createMemcacheTextUpstream();
    this.serverProtocols[VARIANT_BINARY] = createMemcacheBinaryUpstream();
  }

  onSettings(): void {
    this.deadServer = readDeadServer(this.host.config.options);
  }

  readonly replyReader: ReplyReader = memcacheReplyReader;

  describe(bytes: Buffer, length: number, index: number): RequestSummary | null {
    return describeRequest(bytes, length, index);
  }

  createFrontend(client: ClientPort, saved: unknown, descriptors: readonly number[]): Frontend {
    // There are none, unless the pool's protocol was another.
    for (const fd of descriptors) closeFd(fd);
    return new MemcacheFrontend(this, client, saved as MemcacheClientState | undefined);
  }

  add(counter: PoolCounter, by: number): void {
    this.host.add(counter, by);
  }

  createRequestReader(kind: ConnectionKind): RequestReader {
    return kind === VARIANT_BINARY ? new SentBinaryReader() : new SentTextReader();
  }

  createTtlCap(_kind: ConnectionKind, seconds: number, epochMs: () => number): TtlCap {
    return new MemcacheTtlCap(seconds, epochMs);
  }

  createInnerFrontend(client: ClientPort, route: Route, kind: ConnectionKind): Frontend {
    return createInnerFrontend(this, client, route, kind);
  }

  count(requests: number, local: number, protocolErrors: number): void {
    this.host.count(requests, local, protocolErrors);
  }

  onForeign(foreign: Foreign, peer: string): void {
    this.host.metrics(MEMCACHE_METRICS).add("foreign_clients", 1);
    warnOfForeign(this.host, foreign, peer);
  }

  groupMoves(): readonly GroupMove[] {
    return [];
  }

  adoptPart({ connection }: ReceivedPart): void {
    if (connection >= 0) closeFd(connection);
  }

  onGroupComplete(): void {}

  onRouteChange(): void {}

  close(): void {}
}
