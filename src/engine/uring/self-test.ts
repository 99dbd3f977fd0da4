/** Whether io_uring does here what the engine needs of it: tried on a pair of sockets before the first client comes. */
import { closeFd } from "../../os/fd.ts";
import {
  CANCEL,
  CQE_BUFFER_SHIFT,
  CQE_MORE,
  IoUring,
  POLL,
  POLLOUT,
  RECEIVE,
  SEND,
} from "../../os/io-uring.ts";
import { ERRNO, OsError } from "../../os/os-error.ts";
import { createSocketPair } from "../../os/socket-pair.ts";
import { SEND_AT_ONCE } from "../../os/socket-send.ts";
import { ReceiveBuffers } from "./receive-buffers.ts";
import { SendSlots } from "./send-slots.ts";

const RECEIVED = 1;
const SENT = 2;
const WRITABLE = 3;
const CANCELLED = 4;
const WAIT_MS = 1000;
const TURNS_MAX = 16;
const WORDS = ["ping", "pong"];

interface Completion {
  readonly result: number;
  readonly flags: number;
}

/** @throws OsError: it does not, and the message says what fails */
export function testUring(): void {
  const ring = new IoUring({ submissions: 8, completions: 16 });
  const closes: (() => void)[] = [() => ring.close()];
  try {
    const { ours, theirs } = createSocketPair();
    closes.unshift(
      () => closeFd(ours),
      () => closeFd(theirs),
    );
    const buffers = new ReceiveBuffers(ring, 4, 64);
    closes.push(() => buffers.close());
    const slots = new SendSlots(1, 64);
    closes.push(() => slots.close());
    echo(ring, buffers, slots, ours, theirs);
  } finally {
    for (const close of closes) close();
  }
}

/** Two words through one operation that receives, which is stopped then. */
function echo(
  ring: IoUring,
  buffers: ReceiveBuffers,
  slots: SendSlots,
  ours: number,
  theirs: number,
): void {
  ring.prepare(RECEIVE, ours, 0, 0, 0, RECEIVED);
  const slot = slots.take();
  for (const word of WORDS) {
    slots.bytes.write(word, slots.startOf(slot));
    ring.prepare(SEND, theirs, slots.addressOf(slot), word.length, SEND_AT_ONCE, SENT);
    expectThat(wait(ring, SENT).result === word.length, "send");
    const { result, flags } = wait(ring, RECEIVED);
    expectThat(result === word.length && (flags & CQE_MORE) !== 0, "multishot recv");
    const number = flags >>> CQE_BUFFER_SHIFT;
    const start = buffers.startOf(number);
    expectThat(buffers.bytes.toString("latin1", start, start + result) === word, "recv");
    buffers.giveBack(number, result);
    buffers.publish();
  }
  ring.prepare(POLL, ours, 0, 0, POLLOUT, WRITABLE);
  expectThat((wait(ring, WRITABLE).result & POLLOUT) !== 0, "poll");
  ring.prepare(CANCEL, -1, RECEIVED, 0, 0, CANCELLED);
  expectThat(wait(ring, CANCELLED).result >= 0, "cancel");
  expectThat(wait(ring, RECEIVED).result === -ERRNO["ECANCELED"]!, "cancel");
}

/** The next completion with this tag; others stay where they are. */
function wait(ring: IoUring, tag: number): Completion {
  for (let turn = 0; turn < TURNS_MAX; turn++) {
    for (let index = ring.head; index !== ring.tail; index = (index + 1) | 0) {
      const at = ring.completionAt(index);
      if (ring.tagAt(at) !== tag) continue;
      ring.clearTag(at);
      return { result: ring.resultAt(at), flags: ring.flagsAt(at) };
    }
    ring.enter(1, WAIT_MS);
  }
  throw new OsError("io_uring", "ETIMEDOUT");
}

function expectThat(isSo: boolean, operation: string): void {
  if (!isSo) throw new OsError(`io_uring ${operation}`, "EIO");
}
