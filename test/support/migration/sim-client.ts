import type { SimServer } from "./servers.ts";
import type { World } from "./world.ts";

export interface Request {
  readonly key: string;
  readonly act: (server: SimServer) => number;
  readonly isDelete: boolean;
  /** Null: it is not known what became of it. */
  readonly done: (value: number | null) => void;
  /** It was surely not done. */
  readonly refused: () => void;
}

/** One client, which has one key and one request at a time. */
export class Client {
  readonly key: string;
  private readonly world: World;
  /** What a read may give; 0: nothing. */
  private allowed: Set<number> = new Set([0]);
  /** Writes of which it is not known how they ended: they may come any time. */
  private readonly unsure: Set<number> = new Set();
  private values = 0;
  private isStopped = false;

  constructor(world: World, key: string) {
    this.world = world;
    this.key = key;
    world.clock.after(world.clock.below(50), () => this.next());
  }

  isUnsure(value: number): boolean {
    return this.unsure.has(value);
  }

  stop(): void {
    this.isStopped = true;
  }

  private next(): void {
    const { world } = this;
    const { clock } = world;
    if (this.isStopped) return;
    if (world.workers.every((worker) => !worker.acceptsClients)) {
      clock.after(20, () => this.next());
      return;
    }
    const worker = clock.pick(world.workers.filter((one) => one.acceptsClients));
    const what = clock.random();
    const again = (): void => clock.after(1 + clock.below(60), () => this.next());
    const refused = (): void => {
      world.refusals++;
      again();
    };
    if (what < 0.45) {
      worker.request({
        key: this.key,
        act: (server) => server.data.get(this.key) ?? 0,
        isDelete: false,
        refused,
        done: (value) => {
          if (value !== null) this.check(value, `read over ${worker.name}`);
          again();
        },
      });
      return;
    }
    const isDelete = what > 0.75;
    const value = isDelete ? 0 : Number(this.key.substring(1)) * 100_000 + ++this.values;
    worker.request({
      key: this.key,
      act: (server) => {
        if (isDelete) server.data.delete(this.key);
        else server.data.set(this.key, value);
        return value;
      },
      isDelete,
      refused,
      done: (result) => {
        if (result === null) {
          this.allowed.add(value);
          if (value !== 0) this.unsure.add(value);
          else this.unsure.add(0);
        } else this.allowed = new Set([value, ...this.unsure]);
        world.note(
          `${this.key} ${isDelete ? "del" : `set ${value}`} ${result === null ? "unsure" : "done"}`,
        );
        again();
      },
    });
  }

  check(value: number, where: string): void {
    if (this.allowed.has(value)) {
      this.allowed = new Set([value, ...this.unsure]);
      return;
    }
    if (value === 0 && this.world.hasLost) {
      this.allowed = new Set([0, ...this.unsure]);
      return;
    }
    const allowed = [...this.allowed].join(" or ");
    this.world.problems.push(`${this.key}: ${where} gave ${value} in place of ${allowed}`);
  }
}
