/** Over how many CPUs the packets of this machine's network cards come in. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export interface NetworkCard {
  readonly name: string;
  /** Each has an interrupt of its own, which one CPU handles. */
  readonly receiveQueues: number;
  /** The kernel hands packets on to other CPUs (receive packet steering). */
  readonly isSteered: boolean;
}

/** Those that are no mere software. Empty: none can be seen, as in most containers. */
export function networkCards(folder = "/sys/class/net"): readonly NetworkCard[] {
  return entries(folder).flatMap((name) => {
    if (!existsSync(join(folder, name, "device"))) return [];
    const queues = join(folder, name, "queues");
    const receive = entries(queues).filter((queue) => queue.startsWith("rx-"));
    const isSteered = receive.some((queue) => hasCpus(join(queues, queue, "rps_cpus")));
    return [{ name, receiveQueues: receive.length, isSteered }];
  });
}

function entries(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}

/** A mask of CPUs, in hexadecimal digits and commas. */
function hasCpus(path: string): boolean {
  try {
    return /[1-9a-f]/.test(readFileSync(path, "latin1"));
  } catch {
    return false;
  }
}
