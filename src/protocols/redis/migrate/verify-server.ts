/** Looks whether the keys of one server are where the route says, and mends it where they are not: for a process without clients. */
import type { ServerVerification } from "../../../api/migration.ts";
import type { MovingKeys, PoolHost, VerifyWork } from "../../../api/protocol-module.ts";
import { ACCESS, PlainFacts } from "../../../api/request-facts.ts";
import type { Upstream } from "../../../api/upstream.ts";
import { STRAYS_SHOWN_MAX } from "../../../base/migration-limits.ts";
import { shownKey } from "../../../base/shown-key.ts";
import { settledAll } from "../../settled-all.ts";
import { encodeRequest } from "../codec/encode.ts";
import { AskError } from "./ask-server.ts";
import type { KeyMover } from "./key-mover.ts";
import { keyOf, nameOf } from "./key-name.ts";
import { ServerScan } from "./scan-server.ts";

const KEY_SHOWN_BYTES = 100;

interface Stray {
  readonly key: Buffer;
  readonly home: Upstream;
}

export async function verifyServer(
  mover: KeyMover,
  host: PoolHost,
  server: Upstream,
  work: VerifyWork,
): Promise<ServerVerification> {
  const { epoch } = work;
  // Nothing is asked for here; it is for the locks of what is mended.
  const moving: MovingKeys = {
    ...{ epoch, sourceOf: () => null, targetOf: () => server, sources: [], targets: [] },
  };
  mover.follow(moving);
  try {
    return await new ServerCheck(mover, host, server, work).run();
  } finally {
    mover.follow(null);
  }
}

class ServerCheck {
  private readonly mover: KeyMover;
  private readonly host: PoolHost;
  private readonly server: Upstream;
  private readonly work: VerifyWork;
  private readonly scan: ServerScan;
  private strays = 0;
  private hidden = 0;
  private mended = 0;
  private why = "";
  private readonly examples: string[] = [];

  constructor(mover: KeyMover, host: PoolHost, server: Upstream, work: VerifyWork) {
    this.mover = mover;
    this.host = host;
    this.server = server;
    this.work = work;
    const kindFor = (database: number) => mover.kindFor(database);
    const isStopped = (): boolean => this.scan.seen >= (work.sample ?? Number.POSITIVE_INFINITY);
    this.scan = new ServerScan({ host, server, kindFor, isStopped, followsLocks: false });
  }

  async run(): Promise<ServerVerification> {
    try {
      await this.scan.run((database, keys) => this.take(database, keys));
    } catch (error) {
      if (!(error instanceof AskError)) throw error;
      this.why = error.message;
    }
    const { strays, hidden, mended, why, examples, server } = this;
    const { keys, seen } = this.scan;
    return { address: server.address, keys, seen, strays, hidden, mended, why, examples };
  }

  private async take(database: number, keys: readonly Buffer[]): Promise<number> {
    const facts = new PlainFacts();
    const strays = keys.flatMap((key): Stray[] => {
      const home = this.host.route.pick(facts.ofKey(key, ACCESS.write));
      return home === null || home.address === this.server.address ? [] : [{ key, home }];
    });
    for (const { key, home } of strays) {
      this.strays++;
      if (this.examples.length < STRAYS_SHOWN_MAX) {
        this.examples.push(shownKey(key, KEY_SHOWN_BYTES));
      }
      if ((await this.scan.ask(home, database, encodeRequest("EXISTS", key))) === 1) this.hidden++;
    }
    const { mend } = this.work;
    if (mend === "remove") await this.remove(database, strays);
    if (mend === "move") await this.move(database, strays);
    return mend === null ? 0 : strays.length;
  }

  private async remove(database: number, strays: readonly Stray[]): Promise<void> {
    for (const { key } of strays) {
      await this.scan.ask(this.server, database, encodeRequest("UNLINK", key));
      this.mended++;
    }
  }

  private async move(database: number, strays: readonly Stray[]): Promise<void> {
    const { mover, server: source } = this;
    const names = strays.flatMap(({ key, home }): string[] => {
      const name = nameOf(database, key.toString("latin1"));
      const problem = mover.move(name, { key: Buffer.from(key), source, target: home }, database);
      if (problem === null) return [name];
      this.fail(key, problem);
      return [];
    });
    await settledAll(mover, names, (name, failure) => {
      if (failure === null) this.mended++;
      else this.fail(keyOf(name), failure);
    });
  }

  private fail(key: Buffer, why: string): void {
    this.why = `key ${shownKey(key, KEY_SHOWN_BYTES)}: ${why}`;
  }
}
