/**
 * The log: one line per event, readable by humans and by anything that knows logfmt.
 *
 *   2026-11-21T20:00:00.123Z info worker/2 message key=value event=name
 *   {"time":"2026-11-21T20:00:00.123Z","level":"info","process":"worker/2","event":"name","message":"message","key":"value"}
 *
 * Lines go to stderr or to a file that is opened for appending, so several processes may share it. Under systemd
 * (stderr is the journal) the time is left out, because the journal has its own, and `<N>` carries the level.
 * Writing never throws: a proxy must outlive the reader of its log.
 */
import { fstatSync } from "node:fs";

import { eventOf } from "./log-event.ts";

export type LogLevel = "error" | "warn" | "info" | "debug";
/** One line each: words and pairs for humans and logfmt, or an object of JSON. */
export type LogFormat = "text" | "json";
export const LOG_FORMATS: readonly LogFormat[] = ["text", "json"];
/** `event`: see log-event.ts. */
export type LogFields = Record<string, string | number | boolean | null>;

export interface Logger {
  error(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  debug(message: string, fields?: LogFields): void;
  /** A logger that adds `fields` to every line. Level and file stay shared with this one. */
  child(fields: LogFields): Logger;
  /** Applies to this logger, the one it came from and all children. */
  setLevel(level: LogLevel): void;
  /** Opens the file again under its name, for log rotation. If that fails, the old file stays in use. */
  reopen(): void;
  /** From now on lines go to another file, or to stderr (null); likewise. @throws Error when it cannot be opened. */
  redirect(file: string | null): void;
}

/** The one that owns the file. */
export interface ProcessLogger extends Logger {
  setFormat(format: LogFormat): void;
  /** The log file, and each that is opened later, becomes this owner's where that is safe; null: from now on none does. */
  giveTo(owner: LogOwner | null): void;
}

export interface LogOptions {
  readonly level: LogLevel;
  /** Default: text, as of a configuration of an older program. */
  readonly format?: LogFormat;
  /** Path of the file, or null for stderr. */
  readonly file: string | null;
  /** Which process speaks: "supervisor", "worker/2". */
  readonly process: string;
  /** Default: null, which leaves files to the user that made them. */
  readonly owner?: LogOwner | null;
  /** Hears every line but those of level debug, as text without time and process, and its event; also when its level is not written. */
  readonly hear?: (level: LogLevel, line: string, event: string) => void;
  readonly open: OpenLogOutput;
}

export interface LogOwner {
  readonly uid: number;
  readonly gid: number;
}

/** What lines are written to. */
export interface LogOutput {
  readonly fd: number;
  /** Writes `bytes` from `from` on, without waiting. @returns how many were taken. @throws Error when none can be */
  write(bytes: Buffer, from: number): number;
  giveTo(owner: LogOwner): void;
  close(): void;
}

/** @param file null: stderr. @throws Error in one line when it cannot be opened */
export type OpenLogOutput = (file: string | null, owner: LogOwner | null) => LogOutput;

/** From the gravest to the most talkative. */
export const LOG_LEVELS: readonly LogLevel[] = ["error", "warn", "info", "debug"];

/** syslog(3) priorities, which journald reads from a leading `<N>`. */
const JOURNAL_PRIORITY: Readonly<Record<LogLevel, number>> = {
  error: 3,
  warn: 4,
  info: 6,
  debug: 7,
};

/** @throws Error when the file cannot be opened. */
export function createLogger(options: LogOptions): ProcessLogger {
  return new LineLogger(new Sink(options), {});
}

/** One logfmt pair list: `name=cache address="a b"`. */
export function formatFields(fields: LogFields): string {
  let text = "";
  for (const [key, value] of Object.entries(fields)) text += ` ${key}=${formatValue(value)}`;
  return text;
}

/** What one line tells. */
interface Line {
  readonly message: string;
  readonly fields: LogFields;
}

class Sink {
  level: LogLevel;
  format: LogFormat;
  readonly #process: string;
  #file: string | null;
  #isJournal: boolean;
  #output: LogOutput;
  #owner: LogOwner | null;
  readonly #open: OpenLogOutput;
  readonly #hear: LogOptions["hear"];
  #lost = 0;
  /** The last line was taken in part. */
  #isTorn = false;

  constructor(options: LogOptions) {
    this.level = options.level;
    this.format = options.format ?? "text";
    this.#process = options.process;
    this.#file = options.file;
    this.#owner = options.owner ?? null;
    this.#open = options.open;
    this.#hear = options.hear;
    this.#output = this.#open(options.file, this.#owner);
    this.#isJournal = options.file === null && isJournal(this.#output.fd);
  }

  get isHeard(): boolean {
    return this.#hear !== undefined;
  }

  log(level: LogLevel, message: string, fields: LogFields): void {
    const { event, ...others } = fields;
    const name = typeof event === "string" ? event : eventOf(message);
    const line = { message: escapeControls(message), fields: others };
    if (level !== "debug") this.#hear?.(level, textOf(line), name);
    if (this.wants(level)) this.#write(level, line, name);
  }

  wants(level: LogLevel): boolean {
    return LOG_LEVELS.indexOf(level) <= LOG_LEVELS.indexOf(this.level);
  }

  #write(level: LogLevel, line: Line, event: string): void {
    if (this.#lost > 0) {
      const lost = { message: "log lines were lost", fields: { lines: this.#lost } };
      if (!this.#put(this.#encode("warn", lost, eventOf(lost.message)))) {
        this.#lost += 1;
        return;
      }
      this.#lost = 0;
    }
    if (!this.#put(this.#encode(level, line, event))) this.#lost += 1;
  }

  reopen(): void {
    if (this.#file === null) return;
    try {
      const output = this.#open(this.#file, this.#owner);
      this.#output.close();
      this.#output = output;
    } catch (error) {
      const message = `${errorText(error)}; the old log file stays in use`;
      this.#write("warn", { message, fields: {} }, "log_file_stays");
    }
  }

  redirect(file: string | null): void {
    if (file === this.#file) return;
    const output = this.#open(file, this.#owner);
    this.#output.close();
    this.#output = output;
    this.#file = file;
    this.#isJournal = file === null && isJournal(output.fd);
  }

  giveTo(owner: LogOwner | null): void {
    this.#owner = owner;
    if (owner !== null) this.#output.giveTo(owner);
  }

  #encode(level: LogLevel, line: Line, event: string): string {
    const time = this.#isJournal ? null : new Date().toISOString();
    const priority = this.#isJournal ? `<${JOURNAL_PRIORITY[level]}>` : "";
    if (this.format === "json") {
      const head = { ...(time === null ? {} : { time }), level, process: this.#process, event };
      return `${priority}${JSON.stringify({ ...line.fields, ...head, message: line.message })}\n`;
    }
    const start = time === null ? "" : `${time} ${level} `;
    return `${priority}${start}${this.#process} ${textOf(line)}${formatFields({ event })}\n`;
  }

  /** False: the reader is gone, the pipe or the disk is full. */
  #put(line: string): boolean {
    const bytes = Buffer.from(this.#isTorn ? `\n${line}` : line);
    let done = 0;
    try {
      while (done < bytes.length) done += this.#output.write(bytes, done);
      this.#isTorn = false;
      return true;
    } catch {
      this.#isTorn ||= done > 0;
      return false;
    }
  }
}

class LineLogger implements ProcessLogger {
  readonly #sink: Sink;
  /** Of every line. */
  readonly #own: LogFields;

  constructor(sink: Sink, own: LogFields) {
    this.#sink = sink;
    this.#own = own;
  }

  error(message: string, fields?: LogFields): void {
    this.#log("error", message, fields);
  }

  warn(message: string, fields?: LogFields): void {
    this.#log("warn", message, fields);
  }

  info(message: string, fields?: LogFields): void {
    this.#log("info", message, fields);
  }

  debug(message: string, fields?: LogFields): void {
    this.#log("debug", message, fields);
  }

  child(fields: LogFields): Logger {
    return new LineLogger(this.#sink, { ...this.#own, ...fields });
  }

  setLevel(level: LogLevel): void {
    this.#sink.level = level;
  }

  setFormat(format: LogFormat): void {
    this.#sink.format = format;
  }

  reopen(): void {
    this.#sink.reopen();
  }

  redirect(file: string | null): void {
    this.#sink.redirect(file);
  }

  giveTo(owner: LogOwner | null): void {
    this.#sink.giveTo(owner);
  }

  #log(level: LogLevel, message: string, fields: LogFields | undefined): void {
    if (!this.#sink.wants(level) && !this.#sink.isHeard) return;
    this.#sink.log(level, message, { ...this.#own, ...fields });
  }
}

/** systemd sets JOURNAL_STREAM to "device:inode" of the stream; children with another stderr inherit it too. */
function isJournal(fd: number): boolean {
  const stream = process.env["JOURNAL_STREAM"];
  if (stream === undefined) return false;
  try {
    const status = fstatSync(fd);
    return stream === `${status.dev}:${status.ino}`;
  } catch {
    return false;
  }
}

/** Message and fields. */
function textOf({ message, fields }: Line): string {
  return message + formatFields(fields);
}

function formatValue(value: string | number | boolean | null): string {
  if (typeof value !== "string") return String(value);
  return /^[^\s"=\\\p{Cc}]+$/u.test(value) ? value : JSON.stringify(value);
}

/** A message may quote bytes of a client: no client may forge a line of the log with them. */
function escapeControls(message: string): string {
  return message.replace(/\p{Cc}/gu, (control) => {
    const code = control.charCodeAt(0);
    return code === 10 ? "\\n" : `\\x${code.toString(16).padStart(2, "0")}`;
  });
}

function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
