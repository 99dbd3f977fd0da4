/** The engine that is made of io_uring. */
import type { Engine } from "../../api/engine.ts";
import { closeFd } from "../../os/fd.ts";
import { isStreamSocket } from "../../os/socket-facts.ts";
import { Acceptor } from "./accept.ts";
import { Attempt } from "./connect.ts";
import { UringLoop } from "./loop.ts";
import { openStream } from "./opened.ts";
import { tuneSocket } from "./socket-tuning.ts";

/**
 * There is one in a process, and its loop starts at once.
 * @param onShort clients wait to be accepted because this process is short of something; may be called again and again
 * @throws OsError: there is no io_uring here
 */
export function createUringEngine(onShort: (reason: string) => void): Engine {
  const loop = new UringLoop();
  return {
    name: "uring",
    // That of the loop stands still within a turn.
    nowMs: () => performance.now(),
    epochMs: () => Date.now(),
    random: () => Math.random(),
    timer: loop.timer,
    atTurnEnd: loop.atTurnEnd,
    later: (callback) => {
      // The loop looks for those at the global name.
      setImmediate(callback);
    },
    listen: (fd, tuning, onStream) => new Acceptor(loop, fd, tuning, onStream, onShort),
    connect: (address, tuning, events, streamEvents, isHalfOpen = false) =>
      new Attempt(loop, address, { tuning, events, streamEvents, isHalfOpen }),
    adopt: (fd, tuning, onStream, onError) => {
      if (isStreamSocket(fd)) {
        tuneSocket(fd, tuning);
        openStream(loop, fd, tuning, onStream);
      } else {
        closeFd(fd);
        onError("it is no stream socket");
      }
    },
    close: () => loop.close(),
  };
}
