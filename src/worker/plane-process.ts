/** What a data plane has of the process that it is in. The simulation of workers gives it another. */
import type { Config } from "../api/config.ts";
import { HANDOVER_FD } from "../api/control.ts";
import type { ChosenEngine } from "../api/engine.ts";
import { keptBlockBytes, outstandingBlockBytes } from "../base/block-pool.ts";
import { DESCRIPTOR_TABLE_MAX } from "../base/limits.ts";
import type { Logger } from "../base/log.ts";
import { prepareToDetach } from "../os/event-loop.ts";
import { growDescriptorTable } from "../os/fd.ts";
import { openFilesMax } from "../os/open-files.ts";
import { ownAddresses } from "../os/own-addresses.ts";
import { usableMemory } from "../os/usable-memory.ts";
import { startEngine } from "./start-engine.ts";

export interface PlaneProcess extends ChosenEngine {
  /** The SEQPACKET socket over which clients come and go. */
  readonly handOverSocket: number;
  /** Descriptors that it may have. */
  readonly openFiles: number;
  /** Addresses of this machine. */
  readonly addresses: readonly string[];
  /** Bytes that the whole proxy may use. */
  usableMemory(): number;
  /** Makes a full collection. */
  collect(): void;
  /** Bytes that buffers take now, but for those that are kept to be used again. */
  bufferBytes(): number;
}

/** Starts the engine: once in a process. */
export function thisProcess(config: Config, log: Logger): PlaneProcess {
  const openFiles = openFilesMax();
  prepareToDetach();
  growDescriptorTable(HANDOVER_FD, Math.min(openFiles, DESCRIPTOR_TABLE_MAX));
  return {
    ...startEngine(config, log),
    handOverSocket: HANDOVER_FD,
    ...{ openFiles, addresses: ownAddresses(), usableMemory },
    collect: () => Bun.gc(true),
    bufferBytes: () => process.memoryUsage().external - keptBlockBytes() - outstandingBlockBytes(),
  };
}
