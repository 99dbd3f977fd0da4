/** A client as the author of its protocol sees it. */
import type { Block, Bytes, Client, OwnConnection, Reply, Server } from "proxy/module";
import type { ClientPort } from "../api/client-port.ts";
import { plainLane } from "../api/lane.ts";
import { FIRST_KIND } from "../api/upstream.ts";
import { askFor, ServerError } from "./asking.ts";
import { bytesOf } from "./message.ts";
import { Own, type Owns } from "./own-connection.ts";
import { type Asked, askedOf, BlockPlan } from "./proxied-request.ts";
import { ProxiedServer, type ProxiedServers } from "./proxied-servers.ts";

export interface ProxiedClientOptions {
  readonly session: ClientPort;
  readonly pool: { readonly servers: ProxiedServers };
  readonly connections: Owns;
  readonly state: unknown;
  /** A request is underway that is answered in several steps. */
  readonly isAlone: () => boolean;
}

export class ProxiedClient implements Client<unknown> {
  readonly state: unknown;
  readonly #options: ProxiedClientOptions;

  constructor(options: ProxiedClientOptions) {
    this.#options = options;
    this.state = options.state;
  }

  get peer(): string {
    return this.#options.session.peer;
  }

  get servers(): readonly Server[] {
    return this.#servers.all;
  }

  serverOf(key: Bytes): Server | null {
    return this.#servers.ofKey(key);
  }

  anyServer(): Server | null {
    return this.#servers.from(plainLane(this.#options.session.lane));
  }

  nextServer(): Server | null {
    return this.#servers.next();
  }

  async ask(to: Server | OwnConnection, requests: readonly Bytes[]): Promise<Reply> {
    this.#check("ask");
    const asked = askedOf(requests);
    if (to instanceof Own) {
      if (!to.isOpen) throw new ServerError("the connection of the client's own is closed");
      return await this.#askOwn(to, asked);
    }
    if (!(to instanceof ProxiedServer)) {
      throw new TypeError("ask needs one of client.servers, or what open gave");
    }
    return await askFor(to, to.upstream.connection(this.#options.session.lane, FIRST_KIND), asked);
  }

  async open(server: Server, requests: readonly Bytes[] = []): Promise<OwnConnection> {
    this.#check("open");
    const asked = requests.length === 0 ? null : askedOf(requests);
    if (!(server instanceof ProxiedServer)) {
      throw new TypeError("open needs one of client.servers");
    }
    const own = await this.#options.connections.open(server);
    if (asked !== null) await this.#askOwn(own, asked);
    return own;
  }

  /** What is on a connection that has not answered is not known: it is of no more use. */
  async #askOwn(own: Own, asked: Asked): Promise<Reply> {
    try {
      return await askFor(own.server, own.lease, asked);
    } catch (error) {
      own.close();
      throw error;
    }
  }

  get owns(): readonly OwnConnection[] {
    return this.#options.connections.all;
  }

  block(owns: readonly OwnConnection[], request: Bytes): Block {
    return new BlockPlan(owns, bytesOf(request, "a request"));
  }

  get #servers(): ProxiedServers {
    return this.#options.pool.servers;
  }

  /** @throws Error: this is not the time for `verb` */
  #check(verb: string): void {
    const { session, isAlone } = this.#options;
    if (!session.isOpen) throw new ServerError("the client is gone");
    if (!isAlone()) throw new Error(`${verb} is called outside of alone`);
  }
}
