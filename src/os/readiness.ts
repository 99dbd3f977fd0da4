/** Waiting for descriptors in the kernel, for a process that has nothing else to do (epoll(7), level-triggered). */
import { libc } from "./libc.ts";
import { check } from "./os-error.ts";

const EPOLL_CLOEXEC = 0x80000;
const EPOLL_CTL_ADD = 1;
const EPOLLIN = 1;
const EVENTS_MAX = 64;
/** struct epoll_event is packed on x86-64 only. */
const DATA_OFFSET: number = process.arch === "x64" ? 4 : 8;
const EVENT_BYTES: number = DATA_OFFSET + 8;

export class Readiness {
  readonly #epoll = check(libc.epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
  readonly #events = new DataView(new ArrayBuffer(EVENT_BYTES * EVENTS_MAX));
  readonly #bytes = new Uint8Array(this.#events.buffer);

  /** From now on `wait` reports when `fd` can be read, accepted from, or is at its end. @throws OsError */
  add(fd: number): void {
    const event = new DataView(new ArrayBuffer(EVENT_BYTES));
    event.setUint32(0, EPOLLIN, true);
    event.setInt32(DATA_OFFSET, fd, true);
    check(
      libc.epoll_ctl(this.#epoll, EPOLL_CTL_ADD, fd, new Uint8Array(event.buffer)),
      "epoll_ctl",
    );
  }

  /** Blocks the thread for up to `timeoutMs`, -1: for ever. @returns what is ready; empty also after a signal */
  wait(timeoutMs: number): number[] {
    const count = libc.epoll_wait(this.#epoll, this.#bytes, EVENTS_MAX, timeoutMs);
    const ready: number[] = [];
    for (let i = 0; i < count; i++) {
      ready.push(this.#events.getInt32(i * EVENT_BYTES + DATA_OFFSET, true));
    }
    return ready;
  }
}
