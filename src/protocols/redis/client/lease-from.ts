import type { Lease, Upstream } from "../../../api/upstream.ts";
import { encodeError } from "../codec/encode.ts";
import type { RedisClient } from "./redis-client.ts";

/** A connection to `upstream` for `client` alone, or an error that says why there is none. */
export function leaseFrom(upstream: Upstream, client: RedisClient): Lease | Buffer {
  const { session, variant } = client;
  // A server that is known to be down is not called by every client anew.
  const { refusal } = upstream.connection(session.lane, variant);
  if (refusal !== null) return client.failureReply(refusal);
  const { origin } = session;
  return (
    upstream.lease(variant, origin) ??
    encodeError(`ERR no connection for a transaction: ${upstream.whyNoLease(origin)}`)
  );
}
