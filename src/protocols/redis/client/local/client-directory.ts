/** The clients of one pool, in all workers: for CLIENT LIST, KILL and UNBLOCK. */
import type { WorkerBus } from "../../../../api/worker-bus.ts";
import {
  CLIENTS_CLOSED_AT_ONCE,
  CLIENTS_LISTED_AT_ONCE,
  SHOWN_TABLES_MAX,
  TABLES_TOLD_AT_ONCE,
} from "../../../../base/limits.ts";
import { SegmentedSet } from "../../../../base/segmented-set.ts";
import { portions, SliceQueue } from "../../../../base/slice-queue.ts";
import type { Turn } from "../../../../base/turn.ts";
import { encodeValue, type RespVersion } from "../../codec/encode.ts";

export type ClientType = "normal" | "pubsub" | "master" | "replica";

/** What the directory knows of a client. Texts: one character per byte. */
export interface DirectoryEntry {
  readonly id: number;
  /** See clientLine. */
  readonly line: string;
  readonly address: string;
  readonly localAddress: string;
  readonly type: ClientType;
  readonly user: string;
  /** It has been told to go, and does when it has the reply to the request at hand. */
  leavesAfterReply: boolean;
  /** Where it is blocked, for a client that will end that; null: it is not, or not known yet to be. */
  blockedAt(): BlockedAt | null;
  close(): void;
}

/** What all of it must be true of a client. JSON data. */
export interface ClientFilter {
  readonly ids?: readonly number[];
  readonly address?: string;
  readonly localAddress?: string;
  readonly type?: ClientType;
  readonly user?: string;
  /** The id of one who is left out. */
  readonly except?: number;
  /** Only those with a greater id; and of these, if there are more, so many with the lowest ids. */
  readonly after?: number;
  readonly most?: number;
}

/** Where a client waits for a blocking command. JSON data. */
export interface BlockedAt {
  readonly server: string;
  readonly address: string;
  /** What the server calls the connection: its CLIENT ID. */
  readonly id: number;
}

/** Lines of all clients that were asked for, oldest first; all who asked for the same get one object. */
export class ClientLines {
  /** One character per byte. */
  readonly text: string;
  private readonly replies: Partial<Record<RespVersion, Buffer>> = {};

  constructor(text: string) {
    this.text = text;
  }

  /** Never changes. */
  reply(version: RespVersion): Buffer {
    this.replies[version] ??= encodeLines(this.text, version);
    return this.replies[version];
  }
}

/** @param lines one character per byte */
export function encodeLines(lines: string, version: RespVersion): Buffer {
  return encodeValue({ verbatim: Buffer.from(lines, "latin1") }, version);
}

interface Listing {
  readonly filter: ClientFilter;
  readonly waiting: ((lines: ClientLines) => void)[];
}

interface Line {
  readonly id: number;
  /** One character per byte. */
  readonly text: string;
}

export class ClientDirectory {
  private readonly clients: SegmentedSet<DirectoryEntry> = new SegmentedSet();
  private readonly bus: WorkerBus;
  private readonly slices: SliceQueue;
  /** Listings that have not begun, by what is asked for. */
  private readonly listings: Map<string, Listing> = new Map();
  private listingNow = 0;

  constructor(bus: WorkerBus, turn: Turn) {
    this.bus = bus;
    this.slices = new SliceQueue(turn);
    bus.answer("list clients", (filter) => this.linesHere(filter as ClientFilter));
    bus.answer("find blocked client", (id) => this.blockedHere(id as number));
    bus.answer("kill clients", (filter) => this.killHere(filter as ClientFilter, null));
  }

  add(client: DirectoryEntry): void {
    this.clients.add(client);
  }

  remove(client: DirectoryEntry): void {
    this.clients.delete(client);
  }

  /**
   * `done` gets the lines of all clients that `filter` fits. However many ask for the same, they are listed once for all who ask
   * before that begins.
   */
  list(filter: ClientFilter, done: (lines: ClientLines) => void): void {
    const key = JSON.stringify(filter);
    const listing = this.listings.get(key);
    if (listing !== undefined) listing.waiting.push(done);
    else {
      this.listings.set(key, { filter, waiting: [done] });
      this.beginListing();
    }
  }

  private beginListing(): void {
    const [first] = this.listings;
    if (first === undefined || this.listingNow >= SHOWN_TABLES_MAX) return;
    const [key, { filter, waiting }] = first;
    this.listings.delete(key);
    this.listingNow++;
    this.collect(filter, (text) => {
      this.listingNow--;
      const lines = new ClientLines(text);
      this.slices.run(portions(waiting, TABLES_TOLD_AT_ONCE, (done) => done(lines)));
      this.beginListing();
    });
  }

  /** There may be tens of thousands: they are asked for some at a time, so that no worker is busy with them for long. */
  private collect(filter: ClientFilter, done: (text: string) => void): void {
    const texts: string[] = [];
    const next = (after: number): void => {
      const part = { ...filter, after, most: CLIENTS_LISTED_AT_ONCE };
      const here = this.linesHere(part);
      this.bus.query("list clients", part, (answers) => {
        const { text, last } = mergeLines([here, ...(answers as Line[][])], after);
        texts.push(text);
        if (last === null) done(texts.join(""));
        else next(last);
      });
    };
    next(0);
  }

  /** Closes clients; `self` only when it has got the reply to the request at hand. `done` gets how many they were. */
  kill(filter: ClientFilter, self: DirectoryEntry, done: (count: number) => void): void {
    const here = this.killHere(filter, self);
    this.bus.query("kill clients", filter, (answers) => {
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
    this.bus.query("find blocked client", id, (answers) => {
      done((answers as (BlockedAt | null)[]).find((place) => place !== null) ?? null);
    });
  }

  private blockedHere(id: number): BlockedAt | null {
    const [client] = this.find({ ids: [id] });
    return client?.blockedAt() ?? null;
  }

  private linesHere(filter: ClientFilter): Line[] {
    return this.find(filter).map(({ id, line }) => ({ id, text: line }));
  }

  private killHere(filter: ClientFilter, self: DirectoryEntry | null): number {
    const found = this.find(filter);
    if (self !== null && found.includes(self)) self.leavesAfterReply = true;
    this.slices.run(
      portions(
        found.filter((client) => client !== self),
        CLIENTS_CLOSED_AT_ONCE,
        (client) => client.close(),
      ),
    );
    return found.length;
  }

  private find(filter: ClientFilter): DirectoryEntry[] {
    const { ids, address, localAddress, type, user, except, after = 0, most } = filter;
    const wanted = ids === undefined ? null : new Set(ids);
    const found = [...this.clients].filter(
      (client) =>
        client.id > after &&
        (wanted === null || wanted.has(client.id)) &&
        (address === undefined || client.address === address) &&
        (localAddress === undefined || client.localAddress === localAddress) &&
        (type === undefined || client.type === type) &&
        (user === undefined || client.user === user) &&
        client.id !== except,
    );
    if (most === undefined || found.length <= most) return found;
    found.sort((a, b) => a.id - b.id);
    found.length = most;
    return found;
  }
}

/**
 * The lines, oldest first, up to the one from which on some may be missing: `last` is its id, or null, when these are all.
 * @param parts all lines behind `after` that a worker has, or at least so many of the first that it was asked for
 */
function mergeLines(
  parts: readonly (readonly Line[])[],
  after: number,
): { readonly text: string; readonly last: number | null } {
  let last = Number.POSITIVE_INFINITY;
  const lines: Line[] = [];
  for (const part of parts) {
    // A worker of an older program says them all, each time.
    const fresh = part.filter(({ id }) => id > after);
    for (const line of fresh) lines.push(line);
    if (fresh.length < CLIENTS_LISTED_AT_ONCE) continue;
    last = Math.min(
      last,
      fresh.reduce((most, { id }) => Math.max(most, id), 0),
    );
  }
  const sure = lines.filter(({ id }) => id <= last).sort((a, b) => a.id - b.id);
  const text = sure.map((line) => line.text).join("");
  return { text, last: Number.isFinite(last) ? last : null };
}
