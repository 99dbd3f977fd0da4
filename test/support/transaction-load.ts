/**
 * Clients that are in the middle of a transaction most of the time. Each counts two counters up together, and its watch must neither be forgotten
 * nor found where it was not: a transaction that is lost, done twice or done by halves is an error at once.
 */
import { RespClient } from "./resp-client.ts";
import type { Endpoint } from "./server-process.ts";

const DEADLINE_MS = 60_000;
/** Every so many transactions another client touches what is watched. */
const TOUCHED_EVERY = 4;

export class TransactionLoad {
  readonly errors: string[] = [];
  /** Transactions that ended as they must. */
  done = 0;
  private readonly running: Promise<void>[] = [];
  private isStopping = false;

  static async start(endpoint: Endpoint, count: number): Promise<TransactionLoad> {
    const load = new TransactionLoad();
    for (let index = 0; index < count; index++) {
      const client = await RespClient.connect(endpoint, DEADLINE_MS);
      const other = await RespClient.connect(endpoint, DEADLINE_MS);
      load.running.push(load.run(client, other, index));
    }
    return load;
  }

  /** Resolves when each has ended the transaction that it is in. */
  async stop(): Promise<void> {
    this.isStopping = true;
    await Promise.all(this.running);
  }

  private async run(client: RespClient, other: RespClient, index: number): Promise<void> {
    const [left, right, watched] = ["left", "right", "watched"].map((name) => `{${index}}${name}`);
    let count = 0;
    const expect = async (what: string, asked: Promise<string>, wanted: string): Promise<void> => {
      const reply = await asked;
      if (reply !== wanted) throw new Error(`${what} after ${count}: want ${wanted}, got ${reply}`);
    };
    try {
      while (!this.isStopping) {
        const isTouched = this.done % TOUCHED_EVERY === 0;
        await expect("WATCH", client.ask("WATCH", watched!), "+OK\r\n");
        await expect("MULTI", client.ask("MULTI"), "+OK\r\n");
        await expect("INCR", client.ask("INCR", left!), "+QUEUED\r\n");
        if (isTouched) await expect("SET", other.ask("SET", watched!, `${count}`), "+OK\r\n");
        // So that it is in the middle of this when something happens.
        await Bun.sleep(Math.random() * 50);
        await expect("INCR", client.ask("INCR", right!), "+QUEUED\r\n");
        if (!isTouched) count++;
        const wanted = isTouched ? "*-1\r\n" : `*2\r\n:${count}\r\n:${count}\r\n`;
        await expect("EXEC", client.ask("EXEC"), wanted);
        this.done++;
      }
    } catch (error) {
      this.errors.push(`transactions ${index}: ${(error as Error).message}`);
    }
    client.close();
    other.close();
  }
}
