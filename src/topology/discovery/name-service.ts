/** Asks name servers. What the system resolves by other means (its hosts file, search domains) is found, too. */
import { promises } from "node:dns";
import { isIP } from "node:net";
import type { Schedule } from "../../base/schedule.ts";

export interface FoundAddresses {
  /** At least one, sorted. IPv6 only if there is no IPv4: a server has one address of each. */
  readonly addresses: readonly string[];
  /** Null: not known. */
  readonly ttlMs: number | null;
}

export interface FoundService {
  readonly host: string;
  readonly port: number;
  readonly priority: number;
  readonly weight: number;
}

/** There is no such name, or it has no such record. Everything else passes. */
const NOT_THERE: ReadonlySet<string> = new Set(["ENOTFOUND", "ENODATA"]);

const WORDS: Readonly<Record<string, string>> = {
  ENOTFOUND: "the name does not exist",
  ENODATA: "the name has no address",
  ECANCELLED: "no name server answered in time",
  ETIMEOUT: "no name server answered in time",
  ECONNREFUSED: "the name server cannot be reached",
  ESERVFAIL: "the name server failed",
  EREFUSED: "the name server refused",
};

export class NameService {
  private readonly servers: readonly string[] | null;
  private readonly schedule: Schedule;
  private readonly timeoutMs: number;
  private readonly createResolver: () => promises.Resolver;

  /**
   * @param servers `address:port`; null: those of the system
   * @param createResolver of one question: what is new has nothing in store
   */
  constructor(
    servers: readonly string[] | null,
    schedule: Schedule,
    timeoutMs: number,
    createResolver: () => promises.Resolver = () => new promises.Resolver(),
  ) {
    this.servers = servers;
    this.schedule = schedule;
    this.timeoutMs = timeoutMs;
    this.createResolver = createResolver;
  }

  /** Rejects with an Error in words. */
  async addressesOf(host: string): Promise<FoundAddresses> {
    if (isIP(host) !== 0) return { addresses: [host], ttlMs: null };
    try {
      return await this.resolve(host);
    } catch (error) {
      throw new Error(`${host}: ${wordsOf(error)}`);
    }
  }

  /** Rejects with an Error in words. */
  async servicesOf(name: string): Promise<readonly FoundService[]> {
    try {
      const records = await this.ask((resolver) => resolver.resolveSrv(name));
      return records.map((record) => ({ ...record, host: record.name.replace(/\.$/, "") }));
    } catch (error) {
      throw new Error(`${name}: ${wordsOf(error)}`);
    }
  }

  private async resolve(host: string): Promise<FoundAddresses> {
    try {
      return await this.askForAddresses(host);
    } catch (error) {
      if (this.servers !== null) throw error;
      // The hosts file has it, maybe, also when no name server answers.
      return (await this.lookUp(host)) ?? Promise.reject(error);
    }
  }

  private async askForAddresses(host: string): Promise<FoundAddresses> {
    try {
      return found(await this.ask((resolver) => resolver.resolve4(host, { ttl: true })));
    } catch (error) {
      if (!NOT_THERE.has(codeOf(error))) throw error;
    }
    return found(await this.ask((resolver) => resolver.resolve6(host, { ttl: true })));
  }

  /** As the system does it, which may ask name servers on its own. Null: it finds nothing in time. */
  private lookUp(host: string): Promise<FoundAddresses | null> {
    const { promise, resolve } = Promise.withResolvers<FoundAddresses | null>();
    const cancel = this.schedule(this.timeoutMs, () => resolve(null));
    promises.lookup(host, { all: true }).then(
      (all) => resolve({ addresses: all.map(({ address }) => address).sort(), ttlMs: null }),
      () => resolve(null),
    );
    return promise.finally(cancel);
  }

  private async ask<Answer>(
    question: (resolver: promises.Resolver) => Promise<Answer>,
  ): Promise<Answer> {
    const resolver = this.createResolver();
    if (this.servers !== null) resolver.setServers(this.servers);
    const cancel = this.schedule(this.timeoutMs, () => resolver.cancel());
    try {
      return await question(resolver);
    } finally {
      cancel();
    }
  }
}

function found(
  records: readonly { readonly address: string; readonly ttl: number }[],
): FoundAddresses {
  if (records.length === 0) throw Object.assign(new Error("no records"), { code: "ENODATA" });
  return {
    addresses: [...new Set(records.map(({ address }) => address))].sort(),
    ttlMs: Math.min(...records.map(({ ttl }) => ttl)) * 1000,
  };
}

function codeOf(error: unknown): string {
  return (error as { readonly code?: string } | null)?.code ?? "";
}

function wordsOf(error: unknown): string {
  return WORDS[codeOf(error)] ?? (error instanceof Error ? error.message : String(error));
}
