/** The clients of one pool, in all workers: for CLIENT LIST, KILL and UNBLOCK. */
import type { Colleagues } from "../../../api/colleagues.ts";
import type { RedisFrontend } from "../redis-frontend.ts";
import {
  addressOf,
  type ClientType,
  clientLine,
  localAddressOf,
  typeOf,
  userOf,
} from "./client-line.ts";

/** What all of it must be true of a client. JSON data. */
export interface ClientFilter {
  readonly ids?: readonly number[];
  readonly address?: string;
  readonly localAddress?: string;
  readonly type?: ClientType;
  readonly user?: string;
  /** The id of one who is left out. */
  readonly except?: number;
}

/** Where a client waits for a blocking command. JSON data. */
export interface BlockedAt {
  readonly server: string;
  readonly address: string;
  /** What the server calls the connection: its CLIENT ID. */
  readonly id: number;
}

interface Line {
  readonly id: number;
  /** One character per byte. */
  readonly text: string;
}

export class ClientDirectory {
  private readonly clients: Set<RedisFrontend> = new Set();
  private readonly colleagues: Colleagues;

  constructor(colleagues: Colleagues) {
    this.colleagues = colleagues;
    colleagues.answer("list clients", (filter) => this.linesHere(filter as ClientFilter));
    colleagues.answer("find blocked client", (id) => this.blockedHere(id as number));
    colleagues.answer("kill clients", (filter) => this.killHere(filter as ClientFilter, null));
  }

  add(client: RedisFrontend): void {
    this.clients.add(client);
  }

  remove(client: RedisFrontend): void {
    this.clients.delete(client);
  }

  /** `done` gets the lines of all clients that `filter` fits, oldest first; one character per byte. */
  list(filter: ClientFilter, done: (text: string) => void): void {
    const here = this.linesHere(filter);
    this.colleagues.ask("list clients", filter, (answers) => {
      const lines = [...here, ...(answers as Line[][]).flat()];
      lines.sort((a, b) => a.id - b.id);
      done(lines.map(({ text }) => text).join(""));
    });
  }

  /** Closes clients; `self` only when it has got the reply to the request at hand. `done` gets how many they were. */
  kill(filter: ClientFilter, self: RedisFrontend, done: (count: number) => void): void {
    const here = this.killHere(filter, self);
    this.colleagues.ask("kill clients", filter, (answers) => {
      done((answers as number[]).reduce((sum, count) => sum + count, here));
    });
  }

  /** `done` gets where the client of this id is blocked; null: it is not, or not known yet to be. */
  whereBlocked(id: number, done: (place: BlockedAt | null) => void): void {
    const here = this.blockedHere(id);
    if (here !== null) {
      done(here);
      return;
    }
    this.colleagues.ask("find blocked client", id, (answers) => {
      done((answers as (BlockedAt | null)[]).find((place) => place !== null) ?? null);
    });
  }

  private blockedHere(id: number): BlockedAt | null {
    const [client] = this.find({ ids: [id] });
    const block = client?.block ?? null;
    const idOnServer = block?.target() ?? 0;
    if (block === null || idOnServer === 0) return null;
    const { name, address } = block.lease.upstream;
    return { server: name, address, id: idOnServer };
  }

  private linesHere(filter: ClientFilter): Line[] {
    return this.find(filter).map((client) => ({ id: client.state.id, text: clientLine(client) }));
  }

  private killHere(filter: ClientFilter, self: RedisFrontend | null): number {
    const found = this.find(filter);
    for (const client of found) {
      if (client === self) client.leavesAfterReply = true;
      else client.session.close();
    }
    return found.length;
  }

  private find(filter: ClientFilter): RedisFrontend[] {
    const { ids, address, localAddress, type, user, except } = filter;
    const wanted = ids === undefined ? null : new Set(ids);
    return [...this.clients].filter(
      (client) =>
        (wanted === null || wanted.has(client.state.id)) &&
        (address === undefined || addressOf(client) === address) &&
        (localAddress === undefined || localAddressOf(client) === localAddress) &&
        (type === undefined || typeOf(client) === type) &&
        (user === undefined || userOf(client) === user) &&
        client.state.id !== except,
    );
  }
}
