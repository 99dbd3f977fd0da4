/** Connections to all sentinels, over which they tell when something about a master changes. They are made again when they are lost. */
import type { PoolHost } from "../../../api/protocol-module.ts";
import type { Deadline } from "../../../base/deadlines.ts";
import { CLUSTER_LOOK_MS, SENTINEL_LOOK_IDLE_MS } from "../../../base/limits.ts";
import { encodeRequest } from "../codec/encode.ts";
import { type ServerIdentity, ServerLine } from "../redirect/server-line.ts";
import { textOf } from "./sentinel-view.ts";

/** A master has another address, or is about to; a replica comes, or a server is lost or back. */
const CHANNELS = ["+switch-master", "+promoted-slave", "+slave", "+sdown", "-sdown"];
const SUBSCRIBE: Buffer = encodeRequest("SUBSCRIBE", ...CHANNELS);
const PING: Buffer = encodeRequest("PING");

/** One sentinel. */
interface Ear {
  readonly address: string;
  line: ServerLine | null;
  /** Something has come since it was asked for a sign of life. */
  isAlive: boolean;
}

export class SentinelEars {
  private readonly host: PoolHost;
  private readonly identity: ServerIdentity;
  private readonly onNews: () => void;
  private readonly ears: readonly Ear[];
  private readonly checking: Deadline;
  areOpen = false;

  /** @param onNews a sentinel tells of a change, or is heard again */
  constructor(
    host: PoolHost,
    sentinels: readonly string[],
    identity: ServerIdentity,
    onNews: () => void,
  ) {
    this.host = host;
    this.identity = identity;
    this.onNews = onNews;
    this.ears = sentinels.map((address) => ({ address, line: null, isAlive: false }));
    this.checking = host.deadlines.create(() => this.check());
  }

  open(): void {
    if (this.areOpen) return;
    this.areOpen = true;
    for (const ear of this.ears) this.listen(ear);
    this.checking.set(this.host.turn.nowMs + SENTINEL_LOOK_IDLE_MS);
  }

  close(): void {
    this.areOpen = false;
    this.checking.cancel();
    for (const ear of this.ears) {
      ear.line?.close();
      ear.line = null;
    }
  }

  private listen(ear: Ear): void {
    const { host, identity } = this;
    ear.isAlive = true;
    const line = new ServerLine(host, ear.address, identity, [SUBSCRIBE], {
      onReply: (reply) => {
        ear.isAlive = true;
        const [what] = Array.isArray(reply) ? reply : [];
        if (textOf(what ?? null) === "message") this.onNews();
      },
      onDown: () => {
        ear.line = null;
        this.checking.setNoLater(host.turn.nowMs + CLUSTER_LOOK_MS);
      },
    });
    ear.line = line.isMade ? line : null;
  }

  /** Asks each for a sign of life; one that gave none since the last time is called anew. */
  private check(): void {
    for (const ear of this.ears) {
      const { line } = ear;
      if (line !== null && ear.isAlive) {
        ear.isAlive = false;
        line.ask(PING);
      } else {
        line?.close();
        this.listen(ear);
      }
    }
    this.checking.setNoLater(this.host.turn.nowMs + SENTINEL_LOOK_IDLE_MS);
  }
}
