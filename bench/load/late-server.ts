/**
 * A Redis server of one value, which answers each request a fixed time after it came: `bun bench/load/late-server.ts PORT DELAY_US BYTES`.
 *
 * Timers are exact to a millisecond only, so the last part of each delay is spent looking at the clock.
 */
import type { Socket } from "bun";

const [port = 0, delayUs = 0, valueBytes = 0] = process.argv.slice(2).map(Number);
const delayMs = delayUs / 1000;
const SPIN_MS = 2;
const PONG = "+PONG\r\n";
/** What the proxy asks on its own, to see that replies are in step. */
const ECHO = /ECHO\r\n(\$\d+\r\n.*\r\n)/;

const value = `$${valueBytes}\r\n${"v".repeat(valueBytes)}\r\n`;
/** In the order in which they are due. */
const waiting: { readonly socket: Socket; readonly dueMs: number; readonly text: string }[] = [];
let isWatching = false;

function watch(): void {
  const now = performance.now();
  while (waiting.length > 0 && waiting[0]!.dueMs <= now) {
    const { socket, text } = waiting.shift()!;
    socket.write(text);
  }
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
      const dueMs = performance.now() + delayMs;
      // No key of the load has an asterisk.
      for (const request of chunk.toString("latin1").split("*").slice(1)) {
        const text = request.includes("PING") ? PONG : (ECHO.exec(request)?.[1] ?? value);
        waiting.push({ socket, dueMs, text });
      }
      if (!isWatching) watch();
    },
    error() {},
  },
});
