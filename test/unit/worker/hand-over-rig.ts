/** Clients that move, without workers: their descriptors are open, and what is done to them is noted. */
import { schedule } from "../../../src/base/schedule.ts";
import { RUNTIME_SLICES } from "../../../src/base/slices.ts";
import type { Session } from "../../../src/client/session.ts";
import { closeFd } from "../../../src/os/fd.ts";
import { openProcessLog } from "../../../src/os/log-output.ts";
import type { HandOverOptions } from "../../../src/worker/hand-over.ts";
import { type ReceivedSession, readPacket, takePacket } from "../../../src/worker/packet.ts";

export const open: number[] = [];

/** Its descriptors are closed at the end of the test. */
export function owned<Pair extends { readonly ours: number; readonly theirs: number }>(
  pair: Pair,
): Pair {
  open.push(pair.ours, pair.theirs);
  return pair;
}

export function closeAll(): void {
  for (const fd of open.splice(0)) closeFd(fd);
}

export function receiveSession(socket: number): ReceivedSession | null {
  const packet = takePacket(socket);
  return packet === null ? null : readPacket(packet);
}

const log = openProcessLog({ level: "error", file: null, process: "test" });
/** The clock stands: packets are never taken slowly. */
export const line: Pick<HandOverOptions, "underwayMax" | "log" | "nowMs" | "later" | "schedule"> = {
  ...{ underwayMax: 16, log, schedule },
  nowMs: () => 1,
  later: RUNTIME_SLICES.later,
};

export const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A session that settles when it is told to. */
export function fakeSession(fd: number): { session: Session; settle: () => void; log: string[] } {
  const log: string[] = [];
  let onSettled = (): void => {};
  const session = {
    fd,
    canMove: true,
    isReadyToMove: false,
    frontend: { needsFormat: 1 },
    drain: () => log.push("drain"),
    move: {
      begin: (callback: () => void) => {
        log.push("begin");
        onSettled = callback;
      },
      cancel: () => log.push("cancel"),
      quiesce() {},
      save: () => ({
        client: {},
        input: Buffer.alloc(0),
        output: Buffer.alloc(0),
        descriptors: [],
      }),
      leave: () => log.push("leave"),
    },
  } as unknown as Session;
  const settle = (): void => {
    (session as { isReadyToMove: boolean }).isReadyToMove = true;
    onSettled();
  };
  return { session, settle, log };
}
