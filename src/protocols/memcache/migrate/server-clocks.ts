/** What the clocks of servers show: a date as the end of an item is by the clock of its server. */
import type { Upstream } from "../../../api/upstream.ts";

/** After so long it is asked for anew: clocks may drift. */
const FRESH_MS = 30_000;
const SECOND_MS = 1_000;

interface Reading {
  readonly seconds: number;
  readonly atMs: number;
}

export class ServerClocks {
  private readonly readings: Map<Upstream, Reading> = new Map();

  /** In seconds since the epoch, and at the most two behind; null: it is to be asked for. */
  at(server: Upstream, nowMs: number): number | null {
    const reading = this.readings.get(server);
    if (reading === undefined || nowMs - reading.atMs > FRESH_MS) return null;
    return reading.seconds + Math.floor((nowMs - reading.atMs) / SECOND_MS);
  }

  /** @param statistics the server's reply to `stats`. @returns whether it says the time */
  note(server: Upstream, statistics: Buffer, nowMs: number): boolean {
    const time = /^STAT time (\d+)\r$/m.exec(statistics.toString("latin1"))?.[1];
    if (time === undefined) return false;
    this.readings.set(server, { seconds: Number(time), atMs: nowMs });
    return true;
  }

  clear(): void {
    this.readings.clear();
  }
}
