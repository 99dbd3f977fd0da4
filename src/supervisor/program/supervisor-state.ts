/**
 * What a supervisor leaves to the program that replaces it in place: everything that it owns, as plain JSON data. The
 * descriptors and children that it names stay as they are, because the process stays the same.
 */
import type { Config } from "../../api/config.ts";
import { STATE_FORMATS } from "../../api/control.ts";
import type { GenerationResult, LastChange, ProxyEvent } from "../../api/control-socket.ts";
import type { BigKeyRow } from "../../api/key-report.ts";
import type { ChannelSnapshot } from "../../engine/bun/control-channel.ts";
import { createMemoryFile, readMemoryFile } from "../../os/memory-file.ts";
import type { ChangeName } from "../change/change-lock.ts";
import type { ControlSocket } from "../control/control-server.ts";
import type { GenerationsSnapshot } from "../generation/generations.ts";
import type { SlowLogSnapshot } from "../inspection/slow-log.ts";
import type { KeeperSnapshot } from "../process/child-keeper.ts";
import type { OpenAddress } from "../sockets/listeners.ts";
import type { StatsSnapshot } from "../stats/stats-store.ts";
import type { SteeringSnapshot } from "../steering/steering.ts";

export interface SupervisorState {
  readonly format: number;
  /** Of the program that wrote it. */
  readonly version: string;
  readonly startedAtMs: number;
  /** Since when it serves without a break, milliseconds since the epoch; absent: an older program, which did not note it. */
  readonly servingSinceMs?: number;
  /** Where the program was found. */
  readonly programPath: string;
  readonly isDaemon: boolean;
  readonly config: Config;
  readonly listeners: readonly (readonly [string, OpenAddress])[];
  readonly stats: StatsSnapshot;
  /** "crew" is what a generation is called on the wire, see GenerationResult. */
  readonly crews: GenerationsSnapshot;
  readonly admin: KeeperSnapshot | null;
  readonly pidFile: { readonly path: string; readonly fd: number } | null;
  readonly control: ControlSocket | null;
  readonly lastChange: LastChange | null;
  /** What a signal asked for meanwhile. */
  readonly postponed: ChangeName | null;
  /** What holds besides the configuration; absent: an older program, which steered nothing. */
  readonly steering?: SteeringSnapshot;
  /** The number of the last order about where keys are; absent: an older program, which moved none. */
  readonly migrationRevision?: number;
  /** What happened lately; absent: an older program, which did not keep it. */
  readonly events?: readonly ProxyEvent[];
  /** Absent: an older program, which kept none. */
  readonly slowLog?: SlowLogSnapshot;
  /** Absent: likewise. What was asked for lately is told anew. */
  readonly bigKeys?: readonly BigKeyRow[];
  /** Who waits for the end of the upgrade, and what it will be told. */
  readonly caller: ChannelSnapshot | null;
  readonly upgrade: { readonly from: string; readonly to: string; readonly crew: GenerationResult };
}

const MEMORY_NAME = "proxy-state";

/** @returns a descriptor that holds the state; the caller owns it. @throws OsError */
export function writeState(state: SupervisorState): number {
  return createMemoryFile(MEMORY_NAME, JSON.stringify(state));
}

/** The state behind `fd`; null: it holds none. @throws Error when it cannot be understood */
export function readState(fd: number): SupervisorState | null {
  const text = readMemoryFile(MEMORY_NAME, fd);
  if (text === null) return null;
  const state = JSON.parse(text) as SupervisorState;
  if (!STATE_FORMATS.includes(state.format)) {
    throw new Error(`the state that ${state.version} left has the unknown format ${state.format}`);
  }
  for (const key of ["config", "listeners", "stats", "crews", "upgrade"] as const) {
    if (state[key] === undefined)
      throw new Error(`the state that ${state.version} left has no ${key}`);
  }
  return state;
}

/** The newest format that both sides know. */
export function commonFormat(theirs: readonly number[]): number {
  return Math.max(...STATE_FORMATS.filter((format) => theirs.includes(format)));
}

/** Every descriptor that the state names. */
export function descriptorsOf(state: SupervisorState): number[] {
  const { crews, admin, pidFile, control, caller } = state;
  const { fd, history, elsewhere = [] } = state.stats;
  const fds: number[] = [fd, ...elsewhere.map((memory) => memory.fd)];
  if (history != null) fds.push(history);
  for (const [, { fds: sockets }] of state.listeners) fds.push(...sockets);
  for (const { workers, intake, acceptor } of [crews.serving, ...crews.leaving]) {
    for (const { ours, theirs } of [...intake.connections, ...intake.bells]) fds.push(ours, theirs);
    if (acceptor?.child != null) fds.push(acceptor.child.channel.fd);
    for (const { handover, keeper } of workers) {
      if (handover !== null) fds.push(handover.ours, handover.theirs);
      if (keeper.child !== null) fds.push(keeper.child.channel.fd);
    }
  }
  if (admin?.child != null) fds.push(admin.child.channel.fd);
  if (pidFile !== null) fds.push(pidFile.fd);
  if (control !== null) fds.push(control.fd);
  if (caller !== null) fds.push(caller.fd);
  return fds;
}
