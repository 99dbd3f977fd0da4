/**
 * The acceptor process (`accept: dispatch`): a child of the supervisor that accepts for all workers.
 *
 * It waits in the kernel and not in an event loop: there is one thing to do, and a wake-up must cost little. Hence it
 * handles no signals either; those that are meant for the supervisor it ignores.
 */

import { readSync, writeSync } from "node:fs";
import { constants } from "node:os";
import {
  ACCEPTOR_FD_FIRST,
  CONTROL_FD,
  type FromWorker,
  STATS_FD,
  type ToAcceptor,
} from "../api/control.ts";
import { encodeJsonLine, JsonLineDecoder } from "../base/json-lines.ts";
import type { Logger } from "../base/log.ts";
import { SUPERVISOR_SIGNALS } from "../base/supervisor-signals.ts";
import { VERSION } from "../base/version.ts";
import { mapStatsMemory } from "../metrics/stats-memory.ts";
import { assumeIdentity } from "../os/identity.ts";
import { openProcessLog } from "../os/log-output.ts";
import { hearParentDeath, ignoreSignal } from "../os/process.ts";
import { Readiness } from "../os/readiness.ts";
import { Acceptor } from "./acceptor.ts";

const SUPERVISOR_PID = process.ppid;
const CHUNK_BYTES = 64 * 1024;
/** A worker that could not be woken is tried again after this. */
const RING_AGAIN_MS = 5;

/** Runs until the supervisor says `stop` or is gone; then ends the process. It may be killed at any time: it holds no state. */
export function runAcceptor(): void {
  for (const signal of SUPERVISOR_SIGNALS) ignoreSignal(constants.signals[signal]);
  const readiness = new Readiness();
  readiness.add(CONTROL_FD);
  const decoder = new JsonLineDecoder();
  const chunk = Buffer.alloc(CHUNK_BYTES);
  const place = new Place(readiness);
  let areAllWoken = true;
  for (;;) {
    for (const fd of readiness.wait(areAllWoken ? -1 : RING_AGAIN_MS)) {
      if (fd >= ACCEPTOR_FD_FIRST) place.acceptor?.accept(fd);
      if (fd !== CONTROL_FD) continue;
      const length = readSync(CONTROL_FD, chunk);
      if (length === 0) process.exit(0);
      const bytes = Buffer.from(chunk.subarray(0, length));
      for (const message of decoder.push(bytes)) place.handle(message as ToAcceptor);
    }
    areAllWoken = place.acceptor?.wake() ?? true;
  }
}

/** What the supervisor's messages make of this process. */
class Place {
  readonly #readiness: Readiness;
  #log: Logger | null = null;
  acceptor: Acceptor | null = null;

  constructor(readiness: Readiness) {
    this.#readiness = readiness;
  }

  handle(message: ToAcceptor): void {
    switch (message.type) {
      case "start":
        this.#start(message);
        break;
      case "reopen_log":
        this.#log?.reopen();
        break;
      case "ping":
        say({ type: "pong", id: message.id, clients: 0 });
        break;
      case "stop":
        this.acceptor?.finish();
        process.exit(0);
    }
  }

  #start(start: Extract<ToAcceptor, { readonly type: "start" }>): void {
    const log = openProcessLog({
      ...start.config.log,
      process: "acceptor",
      owner: start.runAs ?? null,
    });
    this.#log = log;
    const memory = mapStatsMemory(STATS_FD, start.stats);
    if (start.runAs !== undefined) assumeIdentity(start.runAs);
    // SIGTERM ends it at once.
    if (!hearParentDeath("SIGTERM", SUPERVISOR_PID)) process.exit(0);
    this.acceptor = new Acceptor({ start, memory, log });
    for (const { fd } of start.listeners) this.#readiness.add(fd);
    say({ type: "ready", pid: process.pid, version: VERSION, parcelFormats: [] });
  }
}

function say(message: FromWorker): void {
  writeSync(CONTROL_FD, encodeJsonLine(message));
}
