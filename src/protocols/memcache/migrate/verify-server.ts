/** Looks whether the keys of one server are where the route says, and mends it where they are not: for a process without clients. */
import type { ServerVerification } from "../../../api/migration.ts";
import type { MovingKeys, PoolHost, VerifyWork } from "../../../api/protocol-module.ts";
import { ACCESS, PlainFacts } from "../../../api/request-facts.ts";
import type { Upstream } from "../../../api/upstream.ts";
import {
  LIST_AGAIN_MS,
  LISTED_KEYS_MAX,
  STRAYS_SHOWN_MAX,
  SWEEP_BATCH_KEYS,
} from "../../../base/migration-limits.ts";
import { shownKey } from "../../../base/shown-key.ts";
import { settledAll } from "../../settled-all.ts";
import { AskError, askServer, statisticsOf } from "./ask-server.ts";
import { canBeNamed, isLock, requestOf } from "./item-commands.ts";
import type { ItemMover } from "./item-mover.ts";
import { listKeys } from "./list-keys.ts";

const KEY_SHOWN_BYTES = 100;

interface Stray {
  readonly key: Buffer;
  readonly name: string;
  readonly home: Upstream;
}

export async function verifyServer(
  mover: ItemMover,
  host: PoolHost,
  server: Upstream,
  work: VerifyWork,
): Promise<ServerVerification> {
  const { epoch } = work;
  // Nothing is asked for here; it is for what is mended.
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
  private readonly mover: ItemMover;
  private readonly host: PoolHost;
  private readonly server: Upstream;
  private readonly work: VerifyWork;
  private keys = 0;
  private seen = 0;
  private strays = 0;
  private hidden = 0;
  private mended = 0;
  private why = "";
  private readonly examples: string[] = [];

  constructor(mover: ItemMover, host: PoolHost, server: Upstream, work: VerifyWork) {
    this.mover = mover;
    this.host = host;
    this.server = server;
    this.work = work;
  }

  async run(): Promise<ServerVerification> {
    try {
      this.keys = (await statisticsOf(this.server)).keys;
      const strays = await this.find();
      while (strays.length > 0) await this.mend(strays.splice(0, SWEEP_BATCH_KEYS));
    } catch (error) {
      if (!(error instanceof AskError)) throw error;
      this.why = error.message;
    }
    const { server, keys, seen, strays, hidden, mended, why, examples } = this;
    return { address: server.address, keys, seen, strays, hidden, mended, why, examples };
  }

  private async find(): Promise<Stray[]> {
    const { host, server, work } = this;
    const facts = new PlainFacts();
    const found: Stray[] = [];
    const look = (name: string): boolean => {
      const key = Buffer.from(name, "latin1");
      if (isLock(key)) return true;
      this.seen++;
      const home = host.route.pick(facts.ofKey(key, ACCESS.write));
      if (home !== null && home.address !== server.address) found.push({ key, name, home });
      if (found.length >= LISTED_KEYS_MAX) {
        this.why = `more than ${LISTED_KEYS_MAX} are not where they belong: say it again`;
        return false;
      }
      return this.seen < (work.sample ?? Number.POSITIVE_INFINITY);
    };
    while (!(await listKeys(host, server, ({ name }) => look(name)))) {
      await new Promise<void>((resolve) => void host.schedule(LIST_AGAIN_MS, resolve));
    }
    return found;
  }

  private async mend(strays: readonly Stray[]): Promise<void> {
    const { mend } = this.work;
    const moved: string[] = [];
    for (const stray of strays) {
      const { key, name, home } = stray;
      this.strays++;
      if (this.examples.length < STRAYS_SHOWN_MAX) {
        this.examples.push(shownKey(key, KEY_SHOWN_BYTES));
      }
      if (!canBeNamed(key)) {
        this.fail(key, "long keys with blanks or control characters cannot be looked for");
        continue;
      }
      if (!(await askServer(home, requestOf("mg", key, "s"))).startsWith("EN")) this.hidden++;
      if (mend === "remove") {
        await askServer(this.server, requestOf("md", key, ""));
        this.mended++;
      } else if (mend === "move") {
        const problem = this.mover.move(name, this.server, home);
        if (problem === null) moved.push(name);
        else this.fail(key, problem);
      }
    }
    await settledAll(this.mover, moved, (name, failure) => {
      if (failure === null) this.mended++;
      else this.fail(Buffer.from(name, "latin1"), failure);
    });
  }

  private fail(key: Buffer, why: string): void {
    this.why = `key ${shownKey(key, KEY_SHOWN_BYTES)}: ${why}`;
  }
}
