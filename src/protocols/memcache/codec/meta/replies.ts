/** What memcached says of faulty meta commands. */
import { line } from "../text/replies.ts";

export const NOOP: Buffer = line("MN");
export const MISS: Buffer = line("EN");
export const DUPLICATE_FLAG: Buffer = line("CLIENT_ERROR duplicate flag");
export const INVALID_FLAG: Buffer = line("CLIENT_ERROR invalid flag");
export const INVALID_OR_DUPLICATE: Buffer = line("CLIENT_ERROR invalid or duplicate flag");
export const BAD_TOKEN: Buffer = line("CLIENT_ERROR bad token in command line format");
export const BAD_KEY: Buffer = line("CLIENT_ERROR error decoding key");
export const BAD_MODE_LENGTH: Buffer = line("CLIENT_ERROR incorrect length for M token");
export const BAD_SET_MODE: Buffer = line("CLIENT_ERROR invalid mode for ms M token");
export const BAD_INITIAL: Buffer = line("CLIENT_ERROR invalid numeric initial value");
export const BAD_DELTA: Buffer = line("CLIENT_ERROR invalid numeric delta value");
export const OPAQUE_TOO_LONG: Buffer = line("CLIENT_ERROR opaque token too long");
export const TOO_MANY_FLAGS_GET: Buffer = line("CLIENT_ERROR options flags are too long");
export const TOO_MANY_FLAGS: Buffer = line("CLIENT_ERROR options flags too long");
/** The proxy's own; see check-meta.ts. */
export const KEY_HAS_LINE_FEED: Buffer = line(
  "CLIENT_ERROR a key with a line feed cannot be part of a reply line",
);
