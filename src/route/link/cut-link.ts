/** Sends requests on with other keys: without the prefix by which they came here. */
import type { KeyCut } from "../../api/key-cut.ts";
import type { RequestReader } from "../../api/request-reader.ts";
import type { Failure, Link, ReplySink } from "../../api/upstream.ts";
import type { ByteQueue } from "../../base/byte-queue.ts";
import type { Wakeable } from "../../base/turn.ts";
import { Composer } from "./composer.ts";

export interface CutLinkOptions {
  readonly main: Link;
  readonly reader: RequestReader;
  readonly cut: KeyCut;
}

export class CutLink implements Link {
  private readonly options: CutLinkOptions;
  private readonly main: Link;
  private readonly composer: Composer = new Composer((bytes, start, end, sink, token, count) =>
    this.send(bytes, start, end, sink, token, count),
  );

  constructor(options: CutLinkOptions) {
    this.options = options;
    this.main = options.main;
  }

  get refusal(): Failure | null {
    return this.main.refusal;
  }

  get isRecovering(): boolean {
    return this.main.isRecovering === true;
  }

  get isFull(): boolean {
    return this.main.isFull;
  }

  waitForRoom(waiter: Wakeable): void {
    this.main.waitForRoom(waiter);
  }

  send(
    bytes: Buffer,
    start: number,
    end: number,
    sink: ReplySink,
    token: number,
    count: number,
  ): void {
    const { reader, cut } = this.options;
    let at = start;
    for (let i = 0; i < count; i++) {
      const next = i === count - 1 ? end : reader.read(bytes, at, end);
      const made = cut.cut(bytes, at, next > at ? next : end);
      if (Buffer.isBuffer(made)) this.main.send(made, 0, made.length, sink, token + i, 1);
      else sink.onFailure(token + i, 1, made);
      at = next;
    }
  }

  begin(sink: ReplySink, token: number): ByteQueue {
    return this.composer.begin(sink, token);
  }

  commit(): void {
    this.composer.commit();
  }
}
