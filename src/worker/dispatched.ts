/** Connections that the acceptor process took for this worker. See DispatchGrant. */
import type { DispatchGrant } from "../api/control.ts";
import type { Stream, StreamEvents } from "../api/stream.ts";
import { adoptStream } from "../io/adopt.ts";
import type { Acceptor } from "../io/listen.ts";
import { closeFd } from "../os/fd.ts";
import { receiveParcel } from "../os/fd-passing.ts";

/** A packet is a pool's name. */
const PACKET_BYTES_MAX = 64 * 1024;
const PLAIN = { isKeptAlive: false, isUndelayed: true, isQuicklyAcked: false };

/** @param take gets the pool and the connection, which it owns from then on */
export function receiveDispatched(
  grant: DispatchGrant,
  take: (pool: string, fd: number) => void,
): Acceptor {
  const packet = Buffer.allocUnsafeSlow(PACKET_BYTES_MAX);
  let bell: Stream | null = null;
  let isStopped = false;
  const takeAll = (): void => {
    for (;;) {
      const received = receiveParcel(grant.connections, packet);
      if (received === null) return;
      const pool = packet.toString("utf8", 0, received.length);
      for (const fd of received.fds) take(pool, fd);
    }
  };
  const events: StreamEvents = {
    onBytes: takeAll,
    onDrain() {},
    onEnd() {},
    onClose() {},
  };
  const onOpen = (stream: Stream): StreamEvents => {
    bell = stream;
    if (isStopped) release(stream);
    return events;
  };
  adoptStream(grant.bell, PLAIN, onOpen, () => {});
  // What a predecessor in this slot left behind when it died.
  takeAll();
  return {
    stop() {
      if (isStopped) return;
      isStopped = true;
      takeAll();
      closeFd(grant.connections);
      if (bell !== null) release(bell);
    },
  };
}

/** The sockets are the slot's: closing as usual would shut them down for the next worker, too. */
function release(bell: Stream): void {
  bell.detach();
}
