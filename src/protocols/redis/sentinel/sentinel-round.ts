/** All sentinels are asked once where the masters are. */
import type { PoolHost } from "../../../api/protocol-module.ts";
import type { Deadline } from "../../../base/deadlines.ts";
import type { Decoded } from "../codec/decode.ts";
import { encodeRequest } from "../codec/encode.ts";
import { type ServerIdentity, ServerLine } from "../redirect/server-line.ts";
import {
  faultIn,
  type MasterPlace,
  readMaster,
  readReplicas,
  type SentinelView,
} from "./sentinel-view.ts";

/** A sentinel that has not answered for so long is not waited for, … */
const PATIENCE_MS = 1_000;
/** … and when most have answered, the others have so long. */
const LAST_MS = 50;
/** Requests for each master: where it is, what it is, and which replicas it has. */
const QUESTIONS = 3;

export interface Findings {
  /** What those say that have answered. */
  readonly views: readonly SentinelView[];
  /** Why others have not, by address. */
  readonly faults: readonly string[];
}

export class SentinelRound {
  private readonly masters: readonly string[];
  private readonly sentinels: readonly string[];
  private readonly done: (findings: Findings) => void;
  private readonly host: PoolHost;
  private readonly views: SentinelView[] = [];
  private readonly faults: string[] = [];
  private readonly waiting: Deadline;
  private lines: ServerLine[] = [];
  private isOver = false;

  /** @param done called once, not inside of this */
  constructor(
    host: PoolHost,
    sentinels: readonly string[],
    masters: readonly string[],
    identity: ServerIdentity,
    done: (findings: Findings) => void,
  ) {
    this.host = host;
    this.sentinels = sentinels;
    this.masters = masters;
    this.done = done;
    this.waiting = host.deadlines.create(() => this.conclude());
    this.waiting.set(host.turn.nowMs + PATIENCE_MS);
    const requests = masters.flatMap((name) => [
      encodeRequest("SENTINEL", "GET-MASTER-ADDR-BY-NAME", name),
      encodeRequest("SENTINEL", "MASTER", name),
      encodeRequest("SENTINEL", "REPLICAS", name),
    ]);
    this.lines = sentinels.map((address) => this.ask(address, identity, requests));
    if (this.lines.every(({ isMade }) => !isMade)) this.faults.push("no descriptor is left");
  }

  private ask(address: string, identity: ServerIdentity, requests: readonly Buffer[]): ServerLine {
    const replies: Decoded[] = [];
    const line = new ServerLine(this.host, address, identity, requests, {
      onReply: (reply) => {
        const fault = faultIn(reply);
        if (fault !== null) {
          line.close();
          this.failed(address, fault);
          return;
        }
        replies.push(reply);
        if (replies.length < QUESTIONS * this.masters.length) return;
        line.close();
        this.answered(this.read(replies));
      },
      onDown: (fault) => this.failed(address, fault),
    });
    return line;
  }

  private read(replies: readonly Decoded[]): SentinelView {
    const read = (name: string, index: number): MasterPlace | null => {
      const [place, facts, replicas] = replies.toSpliced(0, QUESTIONS * index);
      const master = readMaster(name, place!, facts!);
      return master === null ? null : { ...master, replicas: readReplicas(replicas!) };
    };
    return this.masters.map(read).filter((place) => place !== null);
  }

  private answered(view: SentinelView): void {
    const { turn } = this.host;
    this.views.push(view);
    if (2 * this.views.length > this.sentinels.length) {
      this.waiting.setNoLater(turn.nowMs + LAST_MS);
    }
    this.endIfComplete();
  }

  private failed(address: string, fault: string): void {
    this.faults.push(`${address}: ${fault}`);
    this.endIfComplete();
  }

  private endIfComplete(): void {
    if (this.views.length + this.faults.length >= this.sentinels.length) {
      this.waiting.set(this.host.turn.nowMs);
    }
  }

  private conclude(): void {
    if (this.isOver) return;
    const { views, faults } = this;
    this.close();
    this.done({ views, faults });
  }

  close(): void {
    this.isOver = true;
    this.waiting.cancel();
    for (const line of this.lines) line.close();
  }
}
