/** Makes a client of what another worker has handed over, or gives its pool what belongs to a group of clients. */
import { PACKET_FORMATS } from "../api/control.ts";
import type { Engine } from "../api/engine.ts";
import type { Logger } from "../base/log.ts";
import { closeFd } from "../os/fd.ts";
import type { ReceivedSession } from "./packet.ts";
import type { PoolPlane } from "./pool-plane.ts";
import type { AdoptionCounts } from "./worker.ts";

export interface Adopter {
  readonly engine: Engine;
  readonly pools: ReadonlyMap<string, PoolPlane>;
  readonly options: { readonly log: Logger };
}

type Settled = (result: keyof AdoptionCounts) => void;

/** See AdoptionOptions.take. What makes no sense ends the client that it is about, and no other. */
export function adoptReceived(to: Adopter, received: ReceivedSession, settled: Settled): void {
  const { engine, pools } = to;
  const { log } = to.options;
  const { head, part, connection, descriptors, input, output } = received;
  const { pool, format, group = "" } = head;
  const plane = pools.get(pool);
  if (plane === undefined || !PACKET_FORMATS.includes(format)) {
    for (const fd of [connection, ...descriptors]) if (fd >= 0) closeFd(fd);
    log.warn("a client is lost: its pool or its format is not known here", { pool, format });
    settled("failed");
    return;
  }
  if (part !== null || head.isLast === true) {
    if (part !== null) {
      guarded(
        () => plane.protocol.adoptPart({ group, about: part, connection, input, output }),
        (reason) =>
          log.error("subscriptions that another worker handed over are lost", { pool, reason }),
      );
    }
    // Not before the clients are there that came just now.
    else engine.later(() => plane.protocol.onGroupComplete(group));
    settled("others");
    return;
  }
  engine.adopt(
    connection,
    plane.tuning,
    (stream) => {
      const { client, record } = head;
      const saved = { client, input, output, descriptors, record };
      const events = guarded(
        () => plane.adopt(stream, saved),
        (reason) => log.error("a client that another worker handed over is lost", { reason }),
      );
      settled(events === null ? "failed" : "adopted");
      return events;
    },
    (reason) => {
      for (const fd of descriptors) closeFd(fd);
      log.warn("a client that another worker handed over is lost", { reason });
      settled("failed");
    },
  );
}

/** @param lost is told what `take` has thrown, and where: it may be an error of this program */
function guarded<Result>(take: () => Result, lost: (reason: string) => void): Result | null {
  try {
    return take();
  } catch (error) {
    lost(error instanceof Error ? (error.stack ?? error.message) : `${error}`);
    return null;
  }
}
