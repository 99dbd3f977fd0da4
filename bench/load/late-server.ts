/**
 * A Redis server of one value, which answers each request a fixed time after it came, and PING at once: `bun bench/load/late-server.ts PORT DELAY_US BYTES`.
 *
 * Timers are exact to a millisecond only, so the last part of each delay is spent looking at the clock.
 */
import type { Socket } from "bun";

const [port = 0, delayUs = 0, valueBytes = 0] = process.argv.slice(2).map(Number);
const delayMs = delayUs / 1000;
const SPIN_MS = 2;
const ASTERISK = 0x2a;

const reply = `$${valueBytes}\r\n${"v".repeat(valueBytes)}\r\n`;
/** In the order in which they are due. */
const waiting: { readonly socket: Socket; readonly dueMs: number }[] = [];
let isWatching = false;

function watch(): void {
  const now = performance.now();
  while (waiting.length > 0 && waiting[0]!.dueMs <= now) waiting.shift()!.socket.write(reply);
  isWatching = waiting.length > 0;
  if (!isWatching) return;
  const leftMs = waiting[0]!.dueMs - now;
  if (leftMs > SPIN_MS) setTimeout(watch, leftMs - SPIN_MS);
  else setImmediate(watch);
}

Bun.listen({
  hostname: "127.0.0.1",
  port,
  socket: {
    data(socket, chunk) {
      if (chunk.includes("PING")) {
        socket.write("+PONG\r\n");
        return;
      }
      const dueMs = performance.now() + delayMs;
      for (const byte of chunk) if (byte === ASTERISK) waiting.push({ socket, dueMs });
      if (!isWatching) watch();
    },
    error() {},
  },
});
