/**
 * A help for tests: with PROXY_POISON=1 in the environment, memory that is given back to be used again is overwritten at once. Whatever
 * still refers to it then shows in the next reply, and not only when the memory happens to be used for another client.
 */
const POISON = 0xdb;

/** Overwrites bytes[0, end); null: nothing is overwritten, as in production. */
export const poison: ((bytes: Buffer, end: number) => void) | null =
  process.env["PROXY_POISON"] === "1"
    ? (bytes, end) => {
        bytes.fill(POISON, 0, end);
      }
    : null;
