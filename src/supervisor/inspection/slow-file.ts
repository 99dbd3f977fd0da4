/**
 * The slow log in a file of its own: a line for each request, in the form of the log's lines, with the event `slow_request`.
 *
 * It is opened, and opened again for rotation, as the log file is, but stays the supervisor's, which alone writes to it: it names keys.
 */
import type { SlowEntry } from "../../api/inspection.ts";
import {
  createLogger,
  type LogFields,
  type LogFormat,
  type OpenLogOutput,
  type ProcessLogger,
} from "../../base/log.ts";
import { openLogOutput } from "../../os/log-output.ts";

const MODE = 0o640;

const open: OpenLogOutput = (file, owner) => openLogOutput(file, owner, MODE);

interface SlowFileOptions {
  readonly slowFile?: string | null;
  readonly format?: LogFormat;
}

export class SlowFile {
  /** Null until a file is asked for. */
  #output: ProcessLogger | null = null;
  #path: string | null = null;

  /** What the configuration says holds from now on. @throws Error in one line: the file cannot be opened, and what held before holds on */
  follow({ slowFile = null, format = "text" }: SlowFileOptions): void {
    if (slowFile !== this.#path) {
      if (this.#output === null) {
        this.#output = createLogger({ level: "info", file: slowFile, process: "supervisor", open });
      } else this.#output.redirect(slowFile);
      this.#path = slowFile;
    }
    this.#output?.setFormat(format);
  }

  /** If that fails the old file stays in use, which that file says. */
  reopen(): void {
    this.#output?.reopen();
  }

  write(entry: SlowEntry): void {
    if (this.#path !== null) this.#output?.info("slow request", fieldsOf(entry));
  }
}

/** What is not known is left out. */
function fieldsOf(entry: SlowEntry): LogFields {
  const { atMs, totalUs, queueUs, serverUs, requestBytes, replyBytes, ...rest } = entry;
  const all = {
    ...{ at: new Date(atMs).toISOString(), pool: rest.pool, command: rest.command, key: rest.key },
    ...{ total_us: totalUs, queue_us: queueUs, server_us: serverUs, server: rest.server },
    ...{ requests: rest.requests, request_bytes: requestBytes, reply_bytes: replyBytes },
    ...{ client: rest.client, address: rest.address, name: rest.name, user: rest.user },
    ...{ worker: rest.worker, number: rest.number, failure: rest.failure },
  };
  const known = Object.entries(all).filter(([, value]) => value !== null && value !== "");
  return Object.fromEntries(known);
}
