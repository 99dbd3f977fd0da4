/** A link around another one: as far as its kind does not say otherwise, it takes requests while that one does. */
import type { Failure, Link, ReplySink } from "../../api/upstream.ts";
import type { ByteQueue } from "../../base/byte-queue.ts";
import type { Wakeable } from "../../base/turn.ts";
import { Composer } from "./composer.ts";

export abstract class OuterLink implements Link {
  protected readonly main: Link;
  private readonly composer: Composer = new Composer((bytes, start, end, sink, token, count) =>
    this.send(bytes, start, end, sink, token, count),
  );

  constructor(main: Link) {
    this.main = main;
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

  abstract send(
    bytes: Buffer,
    start: number,
    end: number,
    sink: ReplySink,
    token: number,
    count: number,
  ): void;

  begin(sink: ReplySink, token: number): ByteQueue {
    return this.composer.begin(sink, token);
  }

  commit(): void {
    this.composer.commit();
  }
}
