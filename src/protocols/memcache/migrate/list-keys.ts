/**
 * All keys of one server, as `lru_crawler metadump hash` lists them: who is there from its beginning to its end is among them. The list comes
 * over a connection of its own, because it is no reply that others could wait behind.
 */
import type { PoolHost } from "../../../api/protocol-module.ts";
import type { ServerStream, ServerStreamEvents } from "../../../api/server-stream.ts";
import type { Failure, Upstream } from "../../../api/upstream.ts";
import { LIST_SILENCE_MS_MAX } from "../../../base/migration-limits.ts";
import { AskError } from "./ask-server.ts";

export interface ListedKey {
  /** One character per byte. */
  readonly name: string;
  /** A client has read it since it was written. */
  readonly isRead: boolean;
  /** When it was read last, in seconds by the server's clock. */
  readonly readAt: number;
}

const REQUEST: Buffer = Buffer.from("lru_crawler metadump hash\r\n");
/** The server, or an operator, has another list made just now. */
const BUSY = /^BUSY/;

/**
 * @param onKey called for each key; false: that is enough
 * @returns false: not now, try again later
 * @throws AskError
 */
export function listKeys(
  host: PoolHost,
  server: Upstream,
  onKey: (key: ListedKey) => boolean,
): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const list = new KeyList(host, onKey, (isWhole, problem) => {
      if (problem === null) resolve(isWhole);
      else reject(new AskError(problem));
    });
    list.open(host.openStream(server, list));
  });
}

type Ended = (isWhole: boolean, problem: string | null) => void;

class KeyList implements ServerStreamEvents {
  private readonly host: PoolHost;
  private readonly onKey: (key: ListedKey) => boolean;
  private readonly ended: Ended;
  private stream: ServerStream | null = null;
  private isOver = false;
  private rest = "";
  private stopWaiting: () => void = () => {};

  constructor(host: PoolHost, onKey: (key: ListedKey) => boolean, ended: Ended) {
    this.host = host;
    this.onKey = onKey;
    this.ended = ended;
  }

  open(stream: ServerStream | null): void {
    this.stream = stream;
    if (stream === null) this.end(false, "no descriptor is left for a connection to it");
    else this.wait();
  }

  onOpen(): void {
    // The first bytes on a connection: the kernel takes them.
    this.stream?.write(REQUEST, 0, REQUEST.length);
  }

  onRefused(failure: Failure): void {
    this.end(false, failure.text);
  }

  onBytes(bytes: Buffer, start: number, end: number): void {
    if (this.isOver) return;
    this.wait();
    const lines = (this.rest + bytes.toString("latin1", start, end)).split("\n");
    this.rest = lines.pop() ?? "";
    for (const line of lines) {
      if (!this.onLine(line.trimEnd())) return;
    }
  }

  onDrain(): void {}

  onEnd(): void {
    this.end(false, "it ended the list of its keys halfway");
  }

  onClose(): void {
    this.end(false, "it ended the list of its keys halfway");
  }

  /** @returns whether more may follow */
  private onLine(line: string): boolean {
    const found = /^key=(\S+) .*\bla=(\d+) .*\bfetch=(\w+)/.exec(line);
    if (found === null) {
      if (line === "END") this.end(true, null);
      else if (BUSY.test(line)) this.end(false, null);
      else if (line !== "") this.end(false, `lru_crawler metadump hash: ${line}`);
      return !this.isOver;
    }
    const [, shown = "", readAt, isRead] = found;
    const name = shown.replace(/%(\w\w)/g, (_, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    );
    const goesOn = this.onKey({ name, isRead: isRead === "yes", readAt: Number(readAt) });
    if (!goesOn) this.end(true, null);
    return goesOn;
  }

  private wait(): void {
    this.stopWaiting();
    this.stopWaiting = this.host.schedule(LIST_SILENCE_MS_MAX, () =>
      this.end(false, "it does not go on with the list of its keys"),
    );
  }

  private end(isWhole: boolean, problem: string | null): void {
    if (this.isOver) return;
    this.isOver = true;
    this.stopWaiting();
    this.stream?.abort();
    this.ended(isWhole, problem);
  }
}
