/**
 * What a protocol is to the rest of the proxy: one module, which makes a ProtocolPool for each pool in each worker.
 *
 * Nothing outside of src/protocols knows a protocol by name; src/protocols/registry.ts lists them all.
 */
import type { Deadlines } from "../base/deadlines.ts";
import type { Logger } from "../base/log.ts";
import type { LogLimit } from "../base/log-limit.ts";
import type { Schedule } from "../base/schedule.ts";
import type { Turn } from "../base/turn.ts";
import type { ClientPort } from "./client-port.ts";
import type { Address, Config, PoolConfig } from "./config.ts";
import type { Filtering } from "./filter.ts";
import type { Frontend } from "./frontend.ts";
import type { KeyCut } from "./key-cut.ts";
import type { AnyMetricSet, Labels, MetricSet, Metrics, Rows } from "./metrics.ts";
import type { Mend, ServerVerification } from "./migration.ts";
import type { GroupMove, ReceivedPart } from "./move.ts";
import type { Option } from "./option.ts";
import type { UpstreamProtocol } from "./protocol.ts";
import type { RequestFacts } from "./request-facts.ts";
import type { RequestReader } from "./request-reader.ts";
import type { ServerStream, ServerStreamEvents } from "./server-stream.ts";
import type { PoolCounter } from "./stats.ts";
import type { Topology } from "./topology.ts";
import type { TtlCap } from "./ttl-cap.ts";
import type { ConnectionKind, DecorateLink, Route, Upstream } from "./upstream.ts";
import type { WorkerBus } from "./worker-bus.ts";

export interface ProtocolModule {
  /** As `protocol:` in a pool says it. */
  readonly name: string;
  /** Options of its pools beside those that every pool has; `PoolConfig.options` holds their values. */
  readonly options: readonly Option[];
  /** Names of options that every pool has and that mean nothing in its pools: who sets one is warned. Absent: none. */
  readonly ignores?: readonly string[];
  /** What it counts besides, for each pool: labels "pool". */
  readonly metrics?: readonly AnyMetricSet[];
  /** False: a pool may be without servers. Default: true. */
  readonly needsServers?: boolean;
  /** What may stand in its pools in place of `servers`. Absent: nothing. */
  readonly sources?: readonly ServerSource[];
  /** Its pools may have a `route`, and be led to by one. Default: false. */
  readonly isRoutable?: boolean;
  /** Requests can be sent with other keys, see CutNode. Default: false. */
  readonly cutsKeys?: boolean;
  /** By what beginning the error replies of each server are counted, see `ReplyScanner.errorOf`. Absent: they are not. */
  readonly serverErrors?: AnyMetricSet;
  /** Its pools have `keyMoving`. Default: false. */
  readonly movesKeys?: boolean;
  /** Its pools have `sendClientsTo`. Default: false. */
  readonly movesClients?: boolean;
  /** Its pools have `filtering`. Default: false. */
  readonly isFilterable?: boolean;
  /** The commands that it knows from the start, without subcommands, in upper case. Absent: its requests have no such names. */
  readonly commandNames?: readonly string[];
  /** Called when a worker starts, before the pool's servers are there: `host.route` is empty so far. */
  createPool(host: PoolHost): ProtocolPool;
}

/** Options of a pool that stand in place of `servers`: the pool asks where these are. */
export interface ServerSource {
  /** The name of an option of kind `nodes`: the addresses to ask. */
  readonly option: string;
  /**
   * The name of an option of kind `names`, in which each entry is the name of one server of the ring. Null: nodes of a cluster are asked,
   * whose slots say which node has a key.
   */
  readonly names: string | null;
}

/** One pool in one worker, as its protocol sees it. */
export interface PoolHost {
  readonly config: PoolConfig;
  /** Of the configuration file: advice is given in its words. */
  readonly form: Config["form"];
  readonly route: Route;
  readonly turn: Turn;
  /** On the clock of `turn`. */
  readonly deadlines: Deadlines;
  readonly schedule: Schedule;
  /** The pool's own. */
  readonly log: Logger;
  readonly logLimit: LogLimit;
  /** The same pool in other workers. */
  readonly bus: WorkerBus;
  /** The limit of open files of this process. */
  readonly openFiles: number;
  /** There are descriptors for another kind of connection to each server. */
  readonly hasRoomForVariant: boolean;
  /** Between 0 and 1. */
  random(): number;
  /** A number that no other client of any worker has. */
  nextClientId(): number;
  /**
   * One of the module's own sets of metrics, and the same one at each call; `labels` besides the pool. Each combination of
   * labels takes memory until the proxy ends, so they must be few, and never what clients may choose.
   */
  metrics<const R extends Rows>(set: MetricSet<R>, labels?: Labels): Metrics<R>;
  /** Adds to one of the pool's counters. */
  add(counter: PoolCounter, by: number): void;
  /** Counts requests, and among them those that no server saw. Once per chunk of a client. */
  count(requests: number, local: number, protocolErrors: number): void;
  /** @param address of a server, as `Upstream.address`. False: it is elsewhere, or the proxy is in no zone */
  isInOwnZone(address: string): boolean;
  /** The sum of a gauge over all other workers. */
  elsewhere(gauge: PoolCounter): number;
  /**
   * Closes the shared connections of `variant`, because its number will stand for something else.
   * @returns false: requests are on some; those stay
   */
  forgetVariant(variant: ConnectionKind): boolean;

  // Connections that carry bytes as they are

  /**
   * Connects to `server`, one of `route.upstreams`, for one client.
   * @param events hear `onOpen` or `onRefused`, after this call; how it fares tells `proxy status` about the server
   * @returns null: no descriptor is left for it
   */
  openStream(server: Upstream, events: ServerStreamEvents): ServerStream | null;
  /**
   * Goes on with a connection that another process has left; `fd` belongs to it.
   * @param server null: the one that it leads to is not configured any more
   * @param events hear `onOpen` or `onRefused`, as a rule inside of this call
   */
  adoptStream(fd: number, server: Upstream | null, events: ServerStreamEvents): ServerStream;
  /**
   * Connects to `address`, which is none of the pool's servers.
   * @param events hear `onOpen` or `onRefused`, after this call
   * @returns null: no descriptor is left for it
   */
  openAside(address: Address, events: ServerStreamEvents): ServerStream | null;
  /** Connections to `server` that stand, of all workers. */
  connectionsTo(server: Upstream): number;
}

/** A request, as far as its beginning tells. */
export interface RequestSummary {
  /** As its protocol names it. */
  readonly command: string;
  /** Borrowed, the first KEYS_OF_REQUEST_MAX; empty: it has none, or they are not known. */
  readonly keys: readonly Buffer[];
  /** Of the whole request. */
  readonly bytes: number;
}

/** What a reply tells of a key. */
export interface KeySize {
  /** Borrowed. */
  readonly key: Buffer;
  /** Of the reply, as far as it is about this key. */
  readonly bytes: number;
  /** Elements of the collection under the key, or of the part that was asked for; null: the reply does not tell. */
  readonly elements: number | null;
}

/** Reads replies for operators: seldom, so it may allocate. */
export interface ReplyReader {
  /** Where the reply that begins at `start` ends, or 0. */
  endOf(bytes: Buffer, start: number, end: number): number;
  /** The largest key in the reply bytes[start, end) to `request`; null: there is none, or it is not known which. */
  largestKey(request: RequestSummary, bytes: Buffer, start: number, end: number): KeySize | null;
}

/** Which keys of a pool are still to be moved, and from where. See api/migration.ts. */
export interface MovingKeys {
  readonly epoch: number;
  /** The server that the key of `request` may still be on, and that it leaves; null: none. */
  sourceOf(request: RequestFacts): Upstream | null;
  /** Where the key belongs by the new ring. */
  targetOf(request: RequestFacts): Upstream;
  /** Servers that keys leave, and those that they go to; a server may be among both. */
  readonly sources: readonly Upstream[];
  readonly targets: readonly Upstream[];
}

/** What moves keys of a pool, in one worker. */
export interface KeyMoving {
  /** From now on; the route has changed already. Null: all keys are where the route says. */
  follow(moving: MovingKeys | null): void;
  /** Begins no step of a move until `letGo`. */
  hold(): void;
  letGo(): void;
  /** Requests for servers are answered with an error from now on, or no longer: it is not known which ring holds. */
  refuse(isRefusing: boolean): void;
  /** No step of a move is at a server. */
  readonly isQuiet: boolean;
  /** Looks at all keys of `server`; null: the work was stopped. Only after `follow`. */
  sweep(server: Upstream, work: SweepWork): Promise<SweepResult | null>;
  /** Looks whether the keys of `server` are where the route says. Only in a process without clients. */
  verify(server: Upstream, work: VerifyWork): Promise<ServerVerification>;
}

/** What is looked for among the keys of one server. */
export interface VerifyWork {
  /** Of the last migration. */
  readonly epoch: number;
  readonly mend: Mend | null;
  /** Null: all keys are looked at. */
  readonly sample: number | null;
}

/** What is done with the keys of one server. */
export interface SweepWork {
  /** True: those that leave it are moved. False: those are counted that belong there by the new ring and elsewhere by the old one. */
  readonly isMove: boolean;
  readonly moving: MovingKeys;
  readonly isStopped: () => boolean;
  /** Told now and then, and at the end. */
  onProgress(progress: SweepProgress): void;
}

export interface SweepProgress {
  /** Keys on the server when it began, all that were seen of them, and those that were moved, or counted. */
  readonly keys: number;
  readonly seen: number;
  readonly found: number;
}

export interface SweepResult extends SweepProgress {
  /** Keys that could not be moved, and of the last one why. */
  readonly failed: number;
  readonly why: string;
  /** One of those that were counted, shown. */
  readonly example: string;
}

export interface ProtocolPool {
  /** Absent: keys of this pool cannot be moved. */
  readonly keyMoving?: KeyMoving;
  /** Who the pool's servers are; absent: those that the configuration lists. */
  readonly topology?: Topology;
  /** Connections to replicas are made, which `Route.replicasOf` then has. Absent: they are not. */
  readonly readsReplicas?: boolean;
  /** As `serverProtocols`, for connections to replicas. Absent: those are alike. */
  readonly replicaProtocols?: readonly UpstreamProtocol[];
  /** Absent: requests of this protocol cannot be filtered. */
  readonly filtering?: Filtering;
  /** Absent: clients get shared connections as they are, and pay for nothing else. */
  readonly decorate?: DecorateLink;
  /** By variant: how connections of that kind to a server are opened and read. May grow; none: there are no shared connections. */
  readonly serverProtocols: readonly UpstreamProtocol[];
  /** Reads requests as they are sent over connections of kind `kind`. Absent: the protocol is not routable. */
  createRequestReader?(kind: ConnectionKind): RequestReader;
  /** For requests that are sent over connections of kind `kind`: has what they write last `seconds` at most. Absent likewise. */
  createTtlCap?(kind: ConnectionKind, seconds: number, epochMs: () => number): TtlCap;
  /** Takes `prefix` off the keys of requests. Absent: `cutsKeys` is false. */
  createKeyCut?(prefix: Buffer): KeyCut;
  /** For a client that is the proxy itself, is like those of kind `kind`, and goes where `route` leads. Absent likewise. */
  createInnerFrontend?(client: ClientPort, route: Route, kind: ConnectionKind): Frontend;
  /**
   * The kind that is called `kind` in `other`, a pool of the same protocol, held until `releaseKind`; NO_KIND: there are too many. Absent:
   * kinds are called the same in all pools.
   */
  holdKindOf?(other: ProtocolPool, kind: ConnectionKind): ConnectionKind;
  releaseKind?(kind: ConnectionKind): void;
  /**
   * From now on clients that take such a hint are told to go to `target`, `host` or `host:port`, and those that were told close when they are
   * quiet; null: no longer. Absent: none take it.
   */
  sendClientsTo?(target: string | null): void;
  /** Told to a client that may not stay, because the pool has as many as configured. */
  readonly tooManyClients: Buffer;
  /** The same when this process has no more file descriptors. */
  readonly noDescriptors: Buffer;
  /** `text` as an error that answers no request in particular, for a client that is closed behind it. Absent: there are no such words. */
  lastWords?(text: string): Buffer;
  /**
   * The request of place `index` in what a client sent, for operators; `bytes` is the beginning of its `length` bytes, and those before
   * it are whole. Null: it cannot be told. Absent: none can.
   */
  describe?(bytes: Buffer, length: number, index: number): RequestSummary | null;
  /** Absent: nothing is known of replies. */
  readonly replyReader?: ReplyReader;
  /**
   * @param saved what such a frontend's `saveState` gave in another process; undefined for a new client
   * @param descriptors those that came along: the frontend owns them
   */
  createFrontend(client: ClientPort, saved: unknown, descriptors: readonly number[]): Frontend;
  /** Clients that move together when all clients of the pool move. @param format see PACKET_FORMATS */
  groupMoves(format: number): readonly GroupMove[];
  /** Takes what another process has sent of a group, and owns its connection. */
  adoptPart(part: ReceivedPart): void;
  /** All that belongs to the group was received, clients too. */
  onGroupComplete(group: string): void;
  /** Values of `PoolHost.config` have changed in place: what was made of them is made anew. */
  onSettings?(): void;
  /** A server has left the ring or come back: keys may have moved. The frontends hear it after this. */
  onRouteChange(): void;
  close(): void;
}
