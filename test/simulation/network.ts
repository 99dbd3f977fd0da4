/** Who can be reached at which address of a simulated network, and how. */
import type { Address } from "../../src/api/config.ts";
import { connect, type Socket, type Way } from "./socket.ts";
import type { World } from "./world.ts";

/** What becomes of an attempt to connect. */
export type Reach = "open" | "refuses" | "silent";

export interface Host {
  reach: Reach;
  /** Of connections made from now on. */
  readonly way: Way;
  onConnection(socket: Socket): void;
}

export interface Listener {
  /** A client waits to be accepted. */
  onClient(): void;
}

interface ConnectHearer {
  onConnected(socket: Socket): void;
  onRefused(cause: string): void;
}

const REFUSALS = [
  "ECONNREFUSED",
  "ECONNREFUSED",
  "ECONNREFUSED",
  "EHOSTUNREACH",
  "EMFILE",
  "ENOBUFS",
];

export class Network {
  private readonly world: World;
  private readonly hosts: Map<number, Host> = new Map();
  private readonly listeners: Listener[] = [];
  private readonly waiting: Socket[] = [];
  private sockets = 0;

  constructor(world: World) {
    this.world = world;
  }

  /** @param port stands for the whole address */
  add(port: number, host: Host): void {
    this.hosts.set(port, host);
  }

  connect(address: Address, hearer: ConnectHearer): () => void {
    const { world } = this;
    const host = address.kind === "tcp" ? this.hosts.get(address.port) : undefined;
    if (host === undefined) throw new Error("no host of the simulation is at that address");
    if (host.reach === "silent") return () => {};
    const delayMs = host.way.leastMs + world.random.next() * (host.way.mostMs - host.way.leastMs);
    return world.after(delayMs, () => {
      if (host.reach === "silent") return;
      if (host.reach === "refuses") {
        hearer.onRefused(world.random.pick(REFUSALS));
        return;
      }
      const [near, far] = this.pair(host.way);
      world.note("connected", near.id);
      hearer.onConnected(near);
      host.onConnection(far);
    });
  }

  private pair(way: Way): [Socket, Socket] {
    this.sockets += 2;
    return connect(this.world, way, way, this.sockets);
  }

  /** @returns stops that; who waits then is left to the others */
  listen(listener: Listener): { stop(): void } {
    this.listeners.push(listener);
    for (const _ of this.waiting) listener.onClient();
    return {
      stop: () => {
        const at = this.listeners.indexOf(listener);
        if (at >= 0) this.listeners.splice(at, 1);
      },
    };
  }

  /** Of the clients that wait the first; null: another worker has taken it. */
  accept(): Socket | null {
    return this.waiting.shift() ?? null;
  }

  connectClient(way: Way): Socket {
    const [near, far] = this.pair(way);
    this.world.note("client", near.id);
    this.waiting.push(far);
    for (const listener of [...this.listeners]) listener.onClient();
    return near;
  }
}
