/** Memcached's binary protocol on the server side. */
import { INCOMPLETE, type UpstreamProtocol } from "../../../api/protocol.ts";

/** NOOP. */
const PROBE: Buffer = Buffer.alloc(24);
PROBE[0] = 0x80;
PROBE[1] = 0x0a;

export function createMemcacheBinaryUpstream(): UpstreamProtocol {
  return {
    createReplyScanner: () => ({
      need: 24,
      scan: (bytes, start, end) => {
        if (end - start < 24) return INCOMPLETE;
        const next = start + 24 + bytes.readUInt32BE(start + 8);
        return next > end ? INCOMPLETE : next;
      },
      reset() {},
    }),
    handshake: Buffer.alloc(0),
    handshakeReplies: 0,
    probe: PROBE,
    handshakeFault: () => null,
  };
}
