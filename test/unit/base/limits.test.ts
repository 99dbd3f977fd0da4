import { expect, test } from "bun:test";
import { PACKET_BYTES_MAX } from "../../../src/api/control.ts";
import { BROADCAST_BYTES_MAX, RETAINED_BYTES_MAX } from "../../../src/api/worker-bus.ts";
import * as limits from "../../../src/base/limits.ts";

test("the bounds relate as the code needs them to", () => {
  const isPowerOfTwo = (value: number): boolean => (value & (value - 1)) === 0;
  expect(isPowerOfTwo(limits.PENDING_REPLIES_MAX)).toBe(true);
  expect(isPowerOfTwo(limits.PENDING_REPLIES_START)).toBe(true);
  // The ring grows fourfold.
  expect(Math.log2(limits.PENDING_REPLIES_MAX / limits.PENDING_REPLIES_START) % 2).toBe(0);
  expect(limits.SESSION_OUTPUT_LOW_BYTES).toBeLessThan(limits.SESSION_OUTPUT_HIGH_BYTES);
  expect(limits.SESSION_OUTPUT_HIGH_BYTES).toBeLessThan(limits.SESSION_OUTPUT_MAX_BYTES);
  // Whoever reads must never be cut: what may be on its way fits below the limit.
  expect(limits.SESSION_WINDOW_BYTES + limits.SESSION_OUTPUT_HIGH_BYTES).toBeLessThan(
    limits.SESSION_OUTPUT_MAX_BYTES,
  );
  expect(limits.UPSTREAM_QUEUE_LOW_BYTES).toBeLessThan(limits.UPSTREAM_QUEUE_HIGH_BYTES);
  expect(limits.PENDING_REPLIES_MAX).toBeLessThan(limits.UPSTREAM_PENDING_MAX);
  expect(limits.REPLY_WINDOW_MAX).toBeLessThanOrEqual(limits.PENDING_REPLIES_MAX);
  expect(limits.BULK_BYTES_MAX).toBeLessThan(limits.REQUEST_BYTES_MAX);
  // Positions in a request are 32-bit integers.
  expect(limits.REQUEST_BYTES_MAX).toBeLessThan(2 ** 31);
  // So are those in a reply, and its buffer may be half as large again.
  expect(limits.REPLY_BYTES_MAX * 1.5).toBeLessThan(2 ** 31);
  expect(limits.BULK_BYTES_MAX).toBeLessThan(limits.REPLY_BYTES_MAX);
  // A single one may be as long as that, in a buffer that grows.
  expect(limits.PARTIAL_REPLIES_BYTES_MAX).toBeGreaterThanOrEqual(2 * limits.REPLY_BYTES_MAX);
  // Confirmations of all that one client may subscribe to at once do not cut it.
  const confirmed =
    limits.SUBSCRIPTIONS_PER_CLIENT_MAX *
    "*3\r\n$10\r\npsubscribe\r\n$20\r\n\r\n:262144\r\n".length;
  expect(confirmed + limits.SUBSCRIBED_BYTES_PER_CLIENT_MAX).toBeLessThan(
    limits.PUSHED_OUTPUT_MAX_BYTES,
  );
  // Names sent to another worker fit in one packet, though some become longer as JSON.
  expect(limits.SUBSCRIBE_NAMES_SENT_BYTES_MAX * 2 + limits.SUBSCRIBE_NAMES_MAX * 3).toBeLessThan(
    PACKET_BYTES_MAX,
  );
  // A remembered script fits in a message to the other workers, as base64, and all of a pool's fit where they are kept.
  expect(limits.SCRIPT_BYTES_MAX * 1.5).toBeLessThan(BROADCAST_BYTES_MAX);
  expect(limits.SCRIPTS_BYTES_MAX * 1.5 + limits.FUNCTIONS_BYTES_MAX).toBeLessThan(
    RETAINED_BYTES_MAX,
  );
});
