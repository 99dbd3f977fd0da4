/** Starts the program of echo-main.ts: the real supervisor and CLI with a toy data plane. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const MAIN = join(import.meta.dir, "echo-main.ts");

/** Nothing here takes that long; only a broken program does. */
const DEADLINE_MS = 30_000;

export interface EchoProxy {
  readonly pid: number;
  readonly exited: Promise<number>;
  /** All that it wrote to stderr so far. */
  log(): string;
  /** Resolves once the log has matched `count` times. */
  logged(pattern: RegExp, count?: number): Promise<void>;
  /** Worker processes by slot, as they are now. */
  workers(): Map<number, number>;
  kill(signal: NodeJS.Signals): void;
}

const directories: string[] = [];
const running = new Set<Bun.Subprocess>();

/** A new directory that `cleanUp` removes. */
export function makeDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "echo-"));
  directories.push(directory);
  return directory;
}

/** To be called after each test: ends what still runs. */
export async function cleanUp(): Promise<void> {
  for (const child of running) child.kill("SIGKILL");
  await Promise.all([...running].map((child) => child.exited));
  running.clear();
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true });
}

/** The command line that runs the program with these arguments. */
export function echoCommand(args: readonly string[]): string[] {
  return [process.execPath, MAIN, ...args];
}

/** Writes a configuration with one pool per listen address and the lines given. */
export function writeConfig(
  directory: string,
  listen: readonly string[],
  lines: string[] = [],
): string {
  const file = join(directory, "proxy.yaml");
  const pools = listen.flatMap((address, index) => [
    `  pool${index}:`,
    `    listen: ${address}`,
    "    servers: [127.0.0.1:1:1]",
  ]);
  writeFileSync(file, [...lines, "pools:", ...pools, ""].join("\n"));
  return file;
}

/** Starts the program, by the command `wrapper` if one is given. */
export function launch(args: readonly string[], wrapper: readonly string[] = []): EchoProxy {
  const child = Bun.spawn([...wrapper, ...echoCommand(args)], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  running.add(child);
  let log = "";
  let notify = Promise.withResolvers<void>();
  const wake = (): void => {
    notify.resolve();
    notify = Promise.withResolvers<void>();
  };
  const readLog = async (): Promise<void> => {
    const decoder = new TextDecoder();
    for await (const chunk of child.stderr) {
      log += decoder.decode(chunk, { stream: true });
      wake();
    }
  };
  const logEnd = readLog().catch(wake);
  const exited = child.exited.then(async (code) => {
    running.delete(child);
    // Only a worker that outlives its supervisor keeps the log open, and that may be what is tested.
    if (child.signalCode === null) await logEnd;
    return code;
  });
  const matches = (pattern: RegExp): number =>
    (log.match(new RegExp(pattern.source, `${pattern.flags.replace("g", "")}g`)) ?? []).length;
  return {
    pid: child.pid,
    exited,
    log: () => log,
    async logged(pattern, count = 1) {
      let isLate = false;
      const timer = setTimeout(() => {
        isLate = true;
        wake();
      }, DEADLINE_MS);
      while (matches(pattern) < count && !isLate) await notify.promise;
      clearTimeout(timer);
      if (isLate) throw new Error(`the log has no ${count} × ${pattern}:\n${log}`);
    },
    workers: () => workersOf(child.pid),
    kill: (signal) => child.kill(signal),
  };
}

/** Starts the program and waits until it serves. */
export async function launchReady(args: readonly string[]): Promise<EchoProxy> {
  const proxy = launch(args);
  await proxy.logged(/ supervisor ready /);
  return proxy;
}

/** One line of the toy protocol. */
export interface Client {
  /** Sends a line. @returns the slot and pid of the worker that answered */
  ask(line: string): Promise<{ slot: number; pid: number; text: string }>;
  readonly closed: Promise<void>;
  close(): void;
}

/** Connects and rejects with the system's error if that fails. */
export async function connectClient(target: number | string): Promise<Client> {
  const socket = await openSocket(target);
  let text = "";
  let waiting: { resolve(line: string): void; reject(error: Error): void } | null = null;
  const closed = Promise.withResolvers<void>();
  socket.on("data", (chunk) => {
    text += chunk.toString();
    const end = text.indexOf("\n");
    if (end < 0 || waiting === null) return;
    const line = text.substring(0, end);
    text = text.substring(end + 1);
    waiting.resolve(line);
    waiting = null;
  });
  socket.on("error", () => {});
  socket.on("close", () => {
    waiting?.reject(new Error("connection closed"));
    closed.resolve();
  });
  return {
    async ask(line) {
      const answer = Promise.withResolvers<string>();
      waiting = answer;
      socket.write(`${line}\n`);
      const [slot, pid, ...rest] = (await answer.promise).split(" ");
      return { slot: Number(slot), pid: Number(pid), text: rest.join(" ") };
    },
    closed: closed.promise,
    close: () => socket.destroy(),
  };
}

function openSocket(target: number | string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket =
      typeof target === "number" ? connect(target, "127.0.0.1") : connect({ path: target });
    socket.once("connect", () => resolve(socket));
    socket.once("error", reject);
  });
}

/** Resolves once the condition holds; it is looked at every few milliseconds. */
export async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`never happened: ${what}`);
    await Bun.sleep(5);
  }
}

/** False once the process is gone; a zombie is gone. */
export function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

/** Children of a process by their short name. */
export function childrenOf(pid: number): { pid: number; name: string }[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const status = readFileSync(`/proc/${name}/status`, "utf8");
        const comm = /^Name:\s+(.*)$/m.exec(status)?.[1] ?? "";
        const isChild = status.includes(`\nPPid:\t${pid}\n`);
        return isChild ? [{ pid: Number(name), name: comm }] : [];
      } catch {
        return [];
      }
    });
}

function workersOf(pid: number): Map<number, number> {
  const found = new Map<number, number>();
  for (const child of childrenOf(pid)) {
    const slot = /^proxy worker (\d+)$/.exec(child.name)?.[1];
    if (slot !== undefined) found.set(Number(slot), child.pid);
  }
  return found;
}
