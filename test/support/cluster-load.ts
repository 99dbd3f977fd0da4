/** Clients that use a cluster with pipelines of many kinds of commands, and compare every reply. Each has its own keys. */
import { RespClient } from "./resp-client.ts";

export interface ClusterLoadOptions {
  readonly port: number;
  readonly clients: number;
  /** Asked of clients; absent: none is. */
  readonly password?: string;
  /** A request may get an error that says so; then what it may have done is not relied upon. */
  readonly mayFail?: boolean;
  /** What was acknowledged may be lost, as when a replica takes over that had not got it. */
  readonly mayLose?: boolean;
  /** Each client waits so long between two pipelines; absent: not at all. */
  readonly pauseMs?: number;
}

const KEYS = 24;
const DEADLINE_MS = 60_000;
const SCRIPT = "return redis.call('INCRBY', KEYS[1], ARGV[1])";
const SHA: string = new Bun.CryptoHasher("sha1").update(SCRIPT).digest("hex");

export class ClusterLoad {
  readonly faults: string[] = [];
  /** Pipelines that were answered as they should be, and those that met an error. */
  batches = 0;
  errors = 0;
  lastError = "";
  /** By name of the command and what it was answered: how often. */
  readonly errorsSeen: Map<string, number> = new Map();
  private readonly options: ClusterLoadOptions;
  private isOver = false;
  private running: Promise<void>[] = [];

  constructor(options: ClusterLoadOptions) {
    this.options = options;
  }

  async start(): Promise<void> {
    const { clients } = this.options;
    this.running = Array.from({ length: clients }, (_, id) => this.run(id));
    await this.more(clients * 2);
  }

  /** Resolves when so many more pipelines were answered. */
  async more(batches: number): Promise<void> {
    const goal = this.batches + batches;
    await this.until(() => this.batches >= goal);
  }

  /** Resolves when so many in a row were answered without an error. */
  async goesWell(batches: number): Promise<void> {
    for (;;) {
      const { errors } = this;
      await this.more(batches);
      if (errors === this.errors) return;
    }
  }

  private async until(isSo: () => boolean): Promise<void> {
    const endMs = performance.now() + DEADLINE_MS;
    while (!isSo() && this.faults.length === 0) {
      if (performance.now() > endMs)
        throw new Error(
          `the load stands still: ${this.batches} pipelines, ${this.errors} with errors: ${this.lastError}`,
        );
      await Bun.sleep(5);
    }
  }

  async stop(): Promise<void> {
    this.isOver = true;
    await Promise.all(this.running);
  }

  private async run(id: number): Promise<void> {
    const { port, password } = this.options;
    const client = await RespClient.connect({ host: "127.0.0.1", port });
    if (password !== undefined) await client.ask("AUTH", password);
    /** What each key holds; undefined: that is not known. */
    const held = new Map<string, string | undefined>();
    const keys = Array.from({ length: KEYS }, (_, i) => `${id}:${i * 977}`);
    for (let round = 0; !this.isOver; round++) {
      const faults: string[] = [];
      let hasErrors = false;
      const value = (key: string): string => `${key}=${round}`;
      const commands: [string, ...string[]][] = [];
      const checks: ((reply: string) => void)[] = [];
      const ask = (command: [string, ...string[]], check: (reply: string) => boolean): void => {
        commands.push(command);
        checks.push((reply) => {
          const isError = reply.startsWith("-");
          if (isError) {
            hasErrors = true;
            // It may have been done, or not.
            if (command[0] === "SET") held.set(command[1]!, undefined);
            this.lastError = `${command.slice(0, 3).join(" ")}: ${reply}`;
            const seen = `${command[0]} ${reply.trim().replace(/\d+/g, "N")}`;
            this.errorsSeen.set(seen, (this.errorsSeen.get(seen) ?? 0) + 1);
          }
          if (isError ? this.options.mayFail !== true : !check(reply)) {
            faults.push(
              `${command.slice(0, 3).join(" ")} in round ${round}: ${reply.slice(0, 160)}`,
            );
          }
        });
      };
      const bulk = (text: string | undefined): string =>
        text === undefined ? "$-1\r\n" : `$${text.length}\r\n${text}\r\n`;
      const holds = (key: string, reply: string): boolean =>
        this.options.mayLose === true
          ? isOf(key, round, reply)
          : !held.has(key) || held.get(key) === undefined || reply === bulk(held.get(key));
      for (const key of keys) {
        // Twice, so that a request that overtakes another is found.
        ask(["SET", key, "?"], (reply) => reply === "+OK\r\n");
        ask(["SET", key, value(key)], (reply) => {
          held.set(key, value(key));
          return reply === "+OK\r\n";
        });
        ask(["GET", key], (reply) => holds(key, reply));
      }
      ask(["MGET", ...keys], (reply) =>
        this.options.mayFail === true
          ? reply.startsWith(`*${KEYS}\r\n`)
          : reply === `*${KEYS}\r\n${keys.map((key) => bulk(held.get(key))).join("")}`,
      );
      ask(["EXISTS", ...keys], (reply) => /^:\d+\r\n$/.test(reply));
      ask(["MSET", `${id}:m`, "1", `${id}:n`, "2"], (reply) => reply === "+OK\r\n");
      ask(["HINCRBY", `${id}:h`, "f", "1"], (reply) => /^:\d+\r\n$/.test(reply));
      ask(["DBSIZE"], (reply) => /^:\d+\r\n$/.test(reply));
      ask(["SPUBLISH", `${id}:c`, "x"], (reply) => /^:\d+\r\n$/.test(reply));
      ask(["SET", `${id}:n`, "5"], (reply) => reply === "+OK\r\n");
      ask(["EVAL", SCRIPT, "1", `${id}:n`, "2"], (reply) =>
        this.options.mayFail === true ? reply.startsWith(":") : reply === ":7\r\n",
      );
      ask(["EVALSHA", SHA, "1", `${id}:n`, "1"], (reply) =>
        this.options.mayFail === true ? reply.startsWith(":") : reply === ":8\r\n",
      );
      ask(["DEL", `${id}:list`], (reply) => /^:\d+\r\n$/.test(reply));
      ask(["RPUSH", `${id}:list`, "a", "b"], (reply) =>
        this.options.mayFail === true ? reply.startsWith(":") : reply === ":2\r\n",
      );
      ask(
        ["BLPOP", `${id}:list`, "5"],
        (reply) => reply.includes(`${id}:list`) || reply === "*-1\r\n",
      );
      ask(["MULTI"], (reply) => reply === "+OK\r\n");
      ask(["SET", `{${id}}a`, `${round}`], (reply) => reply === "+QUEUED\r\n");
      ask(["GET", `{${id}}a`], (reply) => reply === "+QUEUED\r\n");
      ask(["EXEC"], (reply) => reply === `*2\r\n+OK\r\n${bulk(`${round}`)}`);
      client.command(...commands);
      try {
        const replies = await client.replies(commands.length);
        for (const [i, reply] of replies.entries()) checks[i]!(reply.toString("latin1"));
      } catch (error) {
        faults.push(String(error));
      }
      this.faults.push(...faults);
      if (hasErrors) {
        this.errors++;
        // What was not answered well may or may not have been done.
        for (const key of keys) held.set(key, undefined);
      }
      this.batches++;
      if (faults.length > 0) break;
      if (this.options.pauseMs !== undefined) await Bun.sleep(this.options.pauseMs);
    }
    client.close();
  }
}

/** Whether `reply` is some value that `key` was given up to `round`, or that it has none. */
function isOf(key: string, round: number, reply: string): boolean {
  if (reply === "$-1\r\n" || reply === "$1\r\n?\r\n") return true;
  const [, name, number] = /^\$\d+\r\n(.*)=(\d+)\r\n$/.exec(reply) ?? [];
  return name === key && Number(number) <= round;
}
