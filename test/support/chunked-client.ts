/** Sends a script in pieces that are cut where the test says, each of them in a write of its own. */

/** What is needed of a client. */
export interface PieceSender {
  send(bytes: Buffer): void;
  /** Resolves when the kernel took all that was sent. */
  sent(): Promise<void>;
}

/**
 * Cuts bytes at the given offsets. Offsets outside, repeated or unordered ones are allowed.
 * Joined, the pieces are the bytes again; none is empty.
 */
export function cut(bytes: Buffer, offsets: readonly number[]): Buffer[] {
  const inside = offsets.filter((offset) => offset > 0 && offset < bytes.length);
  const bounds = [0, ...new Set(inside.sort((a, b) => a - b)), bytes.length];
  return bounds
    .map((bound, index) => bytes.subarray(bound, bounds[index + 1] ?? bytes.length))
    .filter((piece) => piece.length > 0);
}

/**
 * Sends the pieces one after the other, and gives up the processor between two of them so that the other end can
 * read each by itself. (It may still find two at once: nothing can force it not to.)
 */
export async function sendInPieces(client: PieceSender, pieces: readonly Buffer[]): Promise<void> {
  for (const piece of pieces) {
    client.send(piece);
    await client.sent();
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}
