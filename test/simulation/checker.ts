/** What is wrong in a run, and what has to be put up with because a server did wrong. */
import { createHash } from "../../src/hash/hash-function.ts";
import { createRing } from "../../src/hash/ring.ts";
import type { Server } from "./server.ts";
import type { World } from "./world.ts";

/** How long things may take, in milliseconds. */
export interface Patience {
  /** A request to a server with which nothing is wrong. */
  readonly healthyMs: number;
  /** One to a server in trouble; Infinity: as long as the trouble lasts. */
  readonly troubledMs: number;
  /** After the end of its trouble a server is as good as new. */
  readonly recoveryMs: number;
  /** After a server has told a lie, replies of it may be those to other requests. */
  readonly liesMs: number;
}

export interface ErrorFacts {
  /** Which server it speaks of; null: none. */
  readonly server: string | null;
  /** The request was not executed, it says. */
  readonly wasNotSent: boolean;
}

/** In place of keys: any server can answer. */
export const ANY = "*";
/** A key that is only in the body of what a web page sends. */
export const SMUGGLED = "smuggled";

const SERVER = /\bserver (\S+?)(?: |\)|;|,|$)/;

/** @param text an error that a client got */
export function readError(text: string): ErrorFacts {
  const server = SERVER.exec(text)?.[1] ?? null;
  const isUncertain = text.includes("may or may not have been executed");
  const wasNotSent =
    !isUncertain && /was not sent|is not available|has failed too often/.test(text);
  return { server, wasNotSent };
}

export class Checker {
  readonly violations: string[] = [];
  readonly world: World;
  readonly servers: readonly Server[];
  readonly patience: Patience;
  /** Keys move when servers are out. */
  readonly mayMove: boolean;
  /** Where each key that was asked for is. */
  readonly homes: Map<string, Server> = new Map();
  private readonly placeOf: (key: string) => Server;
  /** Which connection of a client has which id. */
  private readonly ids: Map<string, object> = new Map();
  /** Until then the proxy itself is hindered. */
  hinderedUntilMs = 0;
  /** Clients may be closed: those that could not move in time. */
  mayClose = false;
  /** Requests that were answered, and those of them by an error of the proxy. */
  answered = 0;
  failed = 0;

  constructor(world: World, servers: readonly Server[], patience: Patience, mayMove: boolean) {
    this.world = world;
    this.servers = servers;
    this.patience = patience;
    this.mayMove = mayMove;
    this.placeOf = placement(servers);
  }

  fail(what: string): void {
    if (this.violations.length >= 20) return;
    const atMs = (this.world.nowMs - this.world.startMs).toFixed(1);
    this.violations.push(`at ${atMs} ms: ${what}`);
    this.world.note(`VIOLATION ${what}`);
  }

  /** `server` was asked for `key`. */
  onKey(key: string, server: Server): void {
    if (key === SMUGGLED) this.fail("a web page has written to a server");
    this.homes.set(key, server);
    const home = this.placeOf(key);
    if (!this.mayMove && home !== server) {
      this.fail(`the key ${key} of ${home.name} was asked for at ${server.name}`);
    }
  }

  /** Ids are unique among all clients of all workers, for as long as the proxy lives. */
  onId(id: string, connection: object): void {
    const known = this.ids.get(id);
    if (known === undefined) this.ids.set(id, connection);
    else if (known !== connection) this.fail(`two clients have the id ${id.trim()}`);
  }

  private ofKeys(keys: readonly string[]): readonly Server[] {
    return this.mayMove || keys.length === 0 || keys.includes(ANY)
      ? this.servers
      : keys.map((key) => this.placeOf(key));
  }

  /** Keys may be on other servers than before, and have been written there. */
  get areMoving(): boolean {
    return this.mayMove && this.servers.some((server) => this.isTroubled(server, this.world.nowMs));
  }

  /** Replies to requests with `keys` may be those to others, or tell of another server than the keys' own. */
  mayLie(keys: readonly string[]): boolean {
    return this.areMoving || this.mayForeign(keys);
  }

  /** Replies to requests with `keys` may be those to others. */
  mayForeign(keys: readonly string[]): boolean {
    const { liesMs } = this.patience;
    return this.ofKeys(keys).some(({ lieMs }) => this.world.nowMs <= lieMs + liesMs);
  }

  private isTroubled({ troubleMs }: Server, sinceMs: number): boolean {
    return sinceMs <= troubleMs + this.patience.recoveryMs;
  }

  /** An error of the proxy. @returns whether the request was certainly not executed */
  onError(words: readonly string[], error: string, sentMs: number): boolean {
    this.failed++;
    const { server: name, wasNotSent } = readError(error);
    const named = this.servers.find((server) => server.name === name);
    const isExcused =
      named === undefined
        ? this.servers.some((server) => this.isTroubled(server, sentMs))
        : this.isTroubled(named, sentMs);
    if (!isExcused && this.hinderedUntilMs < sentMs) {
      this.fail(`an error without a cause for ${JSON.stringify(words)}: ${error}`);
    }
    return wasNotSent;
  }

  /** A request has waited since `sinceMs`, and not for those before it. @param isOver it is answered now */
  onWaited(
    words: readonly string[],
    keys: readonly string[],
    sinceMs: number,
    isOver: boolean,
  ): boolean {
    const { nowMs } = this.world;
    const { healthyMs, troubledMs } = this.patience;
    if (this.hinderedUntilMs + healthyMs >= sinceMs) return true;
    const servers = this.ofKeys(keys);
    const inTrouble = servers.filter((server) => this.isTroubled(server, sinceMs)).length;
    // The proxy asks on where one that could answer hangs.
    const isTroubled = inTrouble > 0 && (!keys.includes(ANY) || inTrouble === servers.length);
    const waitedMs = nowMs - sinceMs;
    const mostMs = isTroubled ? troubledMs : healthyMs;
    if (waitedMs <= mostMs) return true;
    const homes = servers.map(({ name }) => name);
    this.fail(
      `${JSON.stringify(words)} ${isOver ? "has waited" : "waits"} for ${waitedMs.toFixed(0)} ms (${homes})`,
    );
    return false;
  }
}

/** Where a key belongs while all servers are in the ring. */
function placement(servers: readonly Server[]): (key: string) => Server {
  const hash = createHash("fnv1a_64", true);
  const named = servers.map(({ name }) => ({ name, weight: 1 }));
  const ring = createRing("ketama", named, () => true, Math.random);
  return (key) => {
    const tag = /\{([^}]+)\}/.exec(key)?.[1] ?? key;
    const bytes = Buffer.from(tag, "latin1");
    return servers[ring.pick(hash(bytes, 0, bytes.length))]!;
  };
}
