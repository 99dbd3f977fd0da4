/** A pool of plain bytes without sockets: the test plays clients and servers. */
import type { ClientPort } from "../../../../src/api/client-port.ts";
import type { PoolHost } from "../../../../src/api/protocol-module.ts";
import type { ServerStream, ServerStreamEvents } from "../../../../src/api/server-stream.ts";
import type { Failure, Upstream } from "../../../../src/api/upstream.ts";
import { LogLimit } from "../../../../src/base/log-limit.ts";
import type { Wakeable } from "../../../../src/base/turn.ts";
import { TcpFrontend } from "../../../../src/protocols/tcp/frontend.ts";
import { readTcpOptions } from "../../../../src/protocols/tcp/options.ts";
import { TcpServers } from "../../../../src/protocols/tcp/servers.ts";
import { loadConfig } from "../../../support/load-config.ts";
import { ManualDeadlines, ManualTurn } from "../../../support/manual-deadlines.ts";

/** One connection to a server, or the attempt to make it. */
export class FakeServerStream implements ServerStream {
  fd = -1;
  room: number = Number.POSITIVE_INFINITY;
  written = "";
  /** What was done to it, in order. */
  readonly done: string[] = [];
  readonly server: string;
  private readonly events: ServerStreamEvents;

  constructor(server: string, events: ServerStreamEvents) {
    this.server = server;
    this.events = events;
  }

  unsent: Buffer = Buffer.alloc(0);

  quiesce(): void {}

  get isMovable(): boolean {
    return this.fd >= 0;
  }

  open(fd = 50): void {
    this.fd = fd;
    this.events.onOpen();
  }

  refuse(): void {
    this.events.onRefused(REFUSED);
  }

  /** The buffer is written to again afterwards, as an engine may do that receives into one of its own. */
  send(text: string): void {
    const bytes = Buffer.from(`--${text}--`);
    this.events.onBytes(bytes, 2, bytes.length - 2, false);
    bytes.fill("?");
  }

  drain(): void {
    this.room = Number.POSITIVE_INFINITY;
    this.events.onDrain();
  }

  end(): void {
    this.events.onEnd();
  }

  lose(cause: string): void {
    this.fd = -1;
    this.events.onClose(cause);
  }

  write(bytes: Buffer, start: number, length: number): number {
    const taken = Math.min(length, this.room);
    this.room -= taken;
    this.written += bytes.toString("latin1", start, start + taken);
    return taken;
  }

  pause(): void {
    this.done.push("pause");
  }

  resume(): void {
    this.done.push("resume");
  }

  shutdown(): void {
    this.done.push("shutdown");
  }

  close(): void {
    this.done.push("close");
  }

  abort(): void {
    this.done.push("abort");
  }

  leave(): void {
    this.done.push("leave");
  }
}

const REFUSED: Failure = { kind: "refused", wasSent: false, text: "Connection refused" };

/** A client, as far as such a frontend sees it. */
export class FakeClient {
  readonly origin = "10.0.0.1";
  isWoken = false;
  isFull = false;
  readonly done: string[] = [];
  waiter: Wakeable | null = null;
  frontend!: TcpFrontend;
  /** What the session holds for the frontend. */
  input: Buffer = Buffer.alloc(0);
  isWaiting = false;
  readonly turn: ManualTurn;

  constructor(turn: ManualTurn) {
    this.turn = turn;
  }

  open(): number {
    return 7;
  }

  say(text: string): void {
    this.input = Buffer.concat([this.input, Buffer.from(text)]);
    this.wakeUp();
  }

  wakeUp(): void {
    this.isWaiting = false;
    this.input = this.input.subarray(this.frontend.consume(this.input, 0, this.input.length));
  }

  waitForWake(): void {
    this.isWaiting = true;
  }

  waitForRoom(waiter: Wakeable): void {
    this.waiter = waiter;
  }

  /** What was pushed; it must not change after that. */
  private readonly pushed: Buffer[] = [];

  push(bytes: Buffer, start: number, end: number): void {
    this.pushed.push(bytes.subarray(start, end));
  }

  get output(): string {
    return Buffer.concat(this.pushed).toString("latin1");
  }

  endOutput(): void {
    this.done.push("endOutput");
  }

  reply(token: number): void {
    this.done.push(`reply ${token}`);
  }

  onFailure(token: number, count: number, failure: Failure): void {
    this.done.push(`failure ${token} ${count} ${failure.kind}`);
  }

  finish(): void {
    this.done.push("finish");
  }

  finishByReset(): void {
    this.done.push("finishByReset");
  }

  close(): void {
    this.done.push("close");
    this.frontend.close();
  }
}

export class TcpRig {
  readonly turn: ManualTurn = new ManualTurn();
  readonly deadlines: ManualDeadlines = new ManualDeadlines(this.turn);
  readonly streams: FakeServerStream[] = [];
  readonly adopted: (string | null)[] = [];
  readonly servers: TcpServers;
  readonly warnings: string[] = [];
  hasDescriptors = true;
  readonly connections: Map<string, number> = new Map();
  upstreams: readonly Upstream[];
  private readonly host: PoolHost;

  /** @param lines of the pool */
  constructor(lines: readonly string[], names: readonly string[]) {
    const servers = names.map((name, at) => `- 10.0.0.${at}:1:1 ${name}`);
    const pool = ["protocol: tcp", "listen: 127.0.0.1:1", ...lines, "servers:", ...servers];
    const text = `pools:\n  p:\n${pool.map((line) => `    ${line}\n`).join("")}`;
    const [config] = loadConfig(text, "F").config?.pools ?? [];
    this.upstreams = names.map((name, id) => upstreamOf(name, id));
    const rig = this;
    this.host = {
      config: config!,
      turn: this.turn,
      deadlines: this.deadlines,
      logLimit: new LogLimit(),
      log: { warn: (message: string) => this.warnings.push(message) },
      random: () => 0.5,
      route: {
        get upstreams() {
          return rig.upstreams;
        },
      },
      connectionsTo: ({ name }: Upstream) => this.connections.get(name) ?? 0,
      openStream: ({ name }: Upstream, events: ServerStreamEvents) =>
        this.hasDescriptors ? this.add(name, events) : null,
      adoptStream: (fd: number, server: Upstream | null, events: ServerStreamEvents) => {
        this.adopted.push(server?.name ?? null);
        const stream = this.add(`fd ${fd}`, events);
        stream.open(fd);
        return stream;
      },
    } as unknown as PoolHost;
    this.servers = new TcpServers(this.host, readTcpOptions(config!.options));
  }

  private add(server: string, events: ServerStreamEvents): FakeServerStream {
    const stream = new FakeServerStream(server, events);
    this.streams.push(stream);
    return stream;
  }

  get last(): FakeServerStream {
    return this.streams.at(-1)!;
  }

  connect(saved?: unknown, descriptors: readonly number[] = []): FakeClient {
    const client = new FakeClient(this.turn);
    const port = client as unknown as ClientPort;
    client.frontend = new TcpFrontend(this.host, this.servers, port, saved, descriptors);
    return client;
  }

  /** What is woken in this turn is heard. */
  async endTurn(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
  }

  /** The servers that `count` clients get which come one after another and stay. */
  serversOf(count: number): string {
    return Array.from({ length: count }, () => {
      this.connect();
      this.last.open();
      return this.last.server;
    }).join("");
  }
}

export function upstreamOf(name: string, id: number): Upstream {
  return { id, name, member: `${name} here`, weight: 1 } as unknown as Upstream;
}
