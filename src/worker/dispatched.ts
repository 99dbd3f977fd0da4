/** Connections that the acceptor process took for this worker. See DispatchGrant. */
import type { DispatchGrant } from "../api/control.ts";
import type { Acceptor } from "../io/listen.ts";
import { closeFd } from "../os/fd.ts";
import { receiveParcel } from "../os/fd-passing.ts";
import { hearBell } from "./bell.ts";

/** A packet is a pool's name. */
const PACKET_BYTES_MAX = 64 * 1024;

/** @param take gets the pool and the connection, which it owns from then on */
export function receiveDispatched(
  grant: DispatchGrant,
  take: (pool: string, fd: number) => void,
): Acceptor {
  const packet = Buffer.allocUnsafeSlow(PACKET_BYTES_MAX);
  let isStopped = false;
  const takeAll = (): void => {
    for (;;) {
      const received = receiveParcel(grant.connections, packet);
      if (received === null) return;
      const pool = packet.toString("utf8", 0, received.length);
      for (const fd of received.fds) take(pool, fd);
    }
  };
  const bell = hearBell(grant.bell, takeAll);
  // What a predecessor in this slot left behind when it died.
  takeAll();
  return {
    stop() {
      if (isStopped) return;
      isStopped = true;
      bell.stop();
      takeAll();
      closeFd(grant.connections);
    },
  };
}
