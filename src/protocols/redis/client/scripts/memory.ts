/**
 * The scripts and functions that were loaded through one pool: a server that lost them gets them again.
 *
 * All workers have the same; what one learns or forgets it tells the others, and the supervisor keeps it for workers that
 * start later.
 */

import type { Upstream } from "../../../../api/upstream.ts";
import type { WorkerBus } from "../../../../api/worker-bus.ts";
import type { Turn, Wakeable } from "../../../../base/turn.ts";
import { encodeRequest } from "../../codec/encode.ts";
import { FunctionStore, type Library } from "./functions.ts";
import type { LoadHost } from "./loadable.ts";
import type { Wanted } from "./repeat.ts";
import { type Script, ScriptStore } from "./store.ts";

const SCRIPTS = "scripts";
const FUNCTIONS = "functions";
const BARRIER = "scripts heard";

const NO_SCRIPT: Buffer = Buffer.from("*1\r\n:0\r\n");
const NO_LIBRARY: Buffer = Buffer.from("*0\r\n");

/** A server is suspected of having lost everything at most so often. */
const SUSPICION_MS = 1000;

/** What is loaded between a server's two losses of everything. */
interface SuspectedLosses {
  count: number;
  lastMs: number;
}

export class ScriptMemory implements LoadHost {
  readonly turn: Turn;
  readonly scripts: ScriptStore = new ScriptStore(this);
  readonly functions: FunctionStore = new FunctionStore(this);
  /** Changes whenever something is to be forgotten: what was asked of servers before must not be remembered after. */
  era = 0;
  private readonly bus: WorkerBus;
  /** By server. */
  private readonly losses: (SuspectedLosses | undefined)[] = [];

  constructor(bus: WorkerBus, turn: Turn) {
    this.bus = bus;
    this.turn = turn;
    bus.subscribe(SCRIPTS, (data, key) => this.onScript(data as string | null, key));
    bus.subscribe(FUNCTIONS, (data, key) => this.onLibrary(data as Library | null, key));
    bus.answer(BARRIER, () => true);
    bus.whenLost(() => this.retainAll());
  }

  epochOf(upstream: Upstream): number {
    return upstream.incarnation + (this.losses[upstream.id]?.count ?? 0);
  }

  /** `upstream` did not have something that it should have: perhaps it has lost all. */
  suspectLoss(upstream: Upstream): void {
    const { nowMs } = this.turn;
    const losses = this.losses[upstream.id];
    if (losses === undefined) this.losses[upstream.id] = { count: 1, lastMs: nowMs };
    else if (nowMs - losses.lastMs >= SUSPICION_MS) {
      losses.count++;
      losses.lastMs = nowMs;
    }
  }

  /** What the call of bytes[start, end), a script's SHA or a function's name, needs; null: nothing that is known here. */
  wantedBy(bytes: Buffer, start: number, end: number): Wanted | null {
    const script = this.scripts.find(bytes, start, end);
    const name = bytes.toString("latin1", start, end);
    if (script !== null) {
      return {
        loadable: script.loadable,
        check: encodeRequest("SCRIPT", "EXISTS", name),
        absence: NO_SCRIPT,
      };
    }
    const library = this.functions.libraryOf(name);
    if (library === null || this.functions.all === null) return null;
    const check = encodeRequest("FUNCTION", "LIST", "LIBRARYNAME", library);
    return { loadable: this.functions.all, check, absence: NO_LIBRARY };
  }

  /** @param sha lower case @returns null: it is too long to be remembered */
  rememberScript(sha: string, body: Buffer): Script | null {
    const script = this.scripts.add(sha, body);
    if (script !== null) this.retain(script);
    return script;
  }

  /**
   * A client has sent the script bytes[start, end) to be run. Others are told of it when it is seen again: there are clients
   * that never send the same twice.
   * @param isWanted a server was asked for a script that it did not have, and this is probably it
   */
  sawBody(bytes: Buffer, start: number, end: number, isWanted: boolean): void {
    const known = this.scripts.findBody(bytes, start, end);
    if (known !== null) {
      this.retain(known);
      return;
    }
    const body = bytes.subarray(start, end);
    const sha = new Bun.CryptoHasher("sha1").update(body).digest("hex");
    const script = this.scripts.add(sha, body);
    if (isWanted && script !== null) this.retain(script);
  }

  private retain(script: Script): void {
    if (script.isPosted) return;
    script.isPosted = true;
    const { sha, body } = script;
    this.bus.retain(SCRIPTS, sha.toString("latin1"), body.toString("base64"));
  }

  /** @param upstreams that have loaded it just now */
  rememberLibrary(library: Library, upstreams: readonly Upstream[]): void {
    const before = this.functions.all;
    this.functions.add(library);
    this.bus.retain(FUNCTIONS, library.name, library);
    for (const upstream of upstreams) {
      if (before === null || before.isAt(upstream)) this.functions.all?.markAt(upstream);
    }
  }

  /** All workers forget all scripts; `waiter` is woken, after `done`, when they have. */
  forgetScripts(waiter: Wakeable, done: () => void): void {
    this.era++;
    this.scripts.clear();
    this.bus.clear(SCRIPTS, null);
    this.whenHeard(waiter, done);
  }

  /** All workers forget the library called `name`, or all of them (null). */
  forgetLibrary(name: string | null, waiter: Wakeable, done: () => void): void {
    this.era++;
    if (name === null) {
      this.functions.clear();
      this.bus.clear(FUNCTIONS, null);
    } else {
      this.functions.delete(name);
      this.bus.retain(FUNCTIONS, name, null);
    }
    this.whenHeard(waiter, done);
  }

  private whenHeard(waiter: Wakeable, done: () => void): void {
    this.bus.query(BARRIER, null, () => {
      done();
      this.turn.wake(waiter);
    });
  }

  private onScript(body: string | null, sha: string | null): void {
    if (sha === null) {
      this.era++;
      this.scripts.clear();
      return;
    }
    const script = body === null ? null : this.scripts.add(sha, Buffer.from(body, "base64"));
    if (script !== null) script.isPosted = true;
  }

  private onLibrary(library: Library | null, name: string | null): void {
    if (library !== null) {
      this.functions.add(library);
      return;
    }
    this.era++;
    if (name === null) this.functions.clear();
    else this.functions.delete(name);
  }

  private retainAll(): void {
    for (const script of this.scripts.all) {
      if (!script.isPosted) continue;
      script.isPosted = false;
      this.retain(script);
    }
    for (const library of this.functions.list) {
      this.bus.retain(FUNCTIONS, library.name, library);
    }
  }
}
