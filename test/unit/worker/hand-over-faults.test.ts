/**
 * Every system call of a hand-over fails: once, which must lose no client, or for good, which must end what it concerns and
 * nothing else.
 *
 *   HandOver ═socket═▶ PacketRouter ═socket═▶ Adoption      all three in this process, with real sockets
 */
import { afterEach, expect, test } from "bun:test";
import { readdirSync, readSync, writeSync } from "node:fs";
import type { FromWorker } from "../../../src/api/control.ts";
import type { Logger } from "../../../src/base/log.ts";
import { schedule } from "../../../src/base/schedule.ts";
import { RUNTIME_SLICES } from "../../../src/base/slices.ts";
import type { Session } from "../../../src/client/session.ts";
import { adoptStream } from "../../../src/engine/bun/adopt.ts";
import { prepareToDetach } from "../../../src/os/event-loop.ts";
import { closeFd, setNonBlocking } from "../../../src/os/fd.ts";
import { createPacketPair } from "../../../src/os/fd-passing.ts";
import { createSocketPair } from "../../../src/os/socket-pair.ts";
import {
  type HandOverWorker,
  PacketRouter,
} from "../../../src/supervisor/hand-over/packet-router.ts";
import { Adoption } from "../../../src/worker/adoption.ts";
import { HandOver } from "../../../src/worker/hand-over.ts";
import { type Call, failing } from "../../support/fault-injection.ts";

const CLIENTS = 40;
/** Too much for a packet: this client's packet has a memory file. */
const LONG = Buffer.alloc(100_000, "x");
const LONG_CLIENT = 7;

const ends: (() => void)[] = [];

afterEach(() => {
  for (const end of ends.splice(0).reverse()) end();
});

class Lines {
  readonly lines: string[] = [];
  readonly logger: Logger;

  constructor() {
    const keep = (message: string, fields = {}): void => {
      this.lines.push(`${message} ${JSON.stringify(fields)}`);
    };
    const none = (): void => {};
    this.logger = {
      ...{ error: keep, warn: keep, info: none, debug: none },
      ...{ child: () => this.logger, setLevel: none, reopen: none, redirect: none },
    };
  }
}

interface Outcome {
  readonly moved: number;
  /** Clients that their old worker has still. */
  readonly stayed: number;
  readonly adopted: number;
  readonly lost: number;
  readonly lines: readonly string[];
  /** Numbers of clients whose connection works at its new owner. */
  readonly served: readonly number[];
}

/** Sockets of a worker, and what it and the supervisor say to each other. */
function workerOf(name: string, onAdopt: (packets: number) => void): Peer {
  const pair = createPacketPair();
  const worker = {
    ...{ name, isServing: true, handoverFd: pair.ours, clients: 0 },
    send: ({ parcels: packets }: { readonly parcels: number }) =>
      setImmediate(() => onAdopt(packets)),
  };
  ends.push(() => {
    closeFd(pair.ours);
    closeFd(pair.theirs);
  });
  return { worker, theirs: pair.theirs };
}

interface Peer {
  readonly worker: HandOverWorker;
  readonly theirs: number;
}

/** A client with a connection, of which this test has the other end. */
function clientSession(number: number, onLeave: () => void): { session: Session; client: number } {
  const pair = createSocketPair();
  setNonBlocking(pair.theirs);
  let isGone = false;
  ends.push(() => {
    closeFd(pair.theirs);
    if (!isGone) closeFd(pair.ours);
  });
  const session = {
    ...{ fd: pair.ours, canMove: true, isReadyToMove: true, frontend: { needsFormat: 1 } },
    move: {
      begin: (onSettled: () => void) => setImmediate(onSettled),
      cancel() {},
      quiesce() {},
      save: () => ({
        client: { number },
        input: number === LONG_CLIENT ? LONG : Buffer.alloc(0),
        output: Buffer.alloc(0),
        descriptors: [],
      }),
      leave() {
        isGone = true;
        closeFd(pair.ours);
        onLeave();
      },
    },
  };
  return { session: session as unknown as Session, client: pair.theirs };
}

/** Hands all clients over. The sockets of sender and receiver, and the supervisor's own to the receiver, are told to `onSockets` before. */
async function handOver(
  timeoutMs: number,
  onSockets: (sender: number, receiver: number, supervisor: number) => void = () => {},
): Promise<Outcome> {
  const log = new Lines();
  const adoptedNumbers: number[] = [];
  const receiver = workerOf("receiver", (packets) => {
    adoption.adopt(packets, (counts) =>
      router.onMessage(receiver.worker, { type: "adopted", ...counts }),
    );
  });
  const sender = workerOf("sender", () => {});
  const router = new PacketRouter(log.logger, () => [receiver.worker]);
  const adoption = new Adoption({
    ...{ socket: receiver.theirs, log: log.logger, waitMsMax: 300, ...RUNTIME_SLICES },
    schedule: (delayMs, callback) => {
      const timer = setTimeout(callback, delayMs);
      return () => clearTimeout(timer);
    },
    take({ head, connection, input }, settled) {
      const { number } = head.client as { readonly number: number };
      expect(input.length).toBe(number === LONG_CLIENT ? LONG.length : 0);
      adoptStream(
        connection,
        { isKeptAlive: false, isUndelayed: true, isQuicklyAcked: false },
        (stream) => {
          adoptedNumbers.push(number);
          ends.push(() => stream.close());
          settled("adopted");
          return {
            onBytes: (chunk) => void stream.write(chunk, 0, chunk.length),
            ...{ onDrain() {}, onEnd() {}, onClose() {} },
          };
        },
        () => settled("failed"),
      );
    },
  });
  onSockets(sender.theirs, receiver.theirs, receiver.worker.handoverFd ?? -1);
  const clients = new Map<number, number>();
  let stayed = CLIENTS;
  const candidates = Array.from({ length: CLIENTS }, (_, number) => {
    const { session, client } = clientSession(number, () => {
      stayed -= 1;
    });
    clients.set(number, client);
    return { pool: "pool", session };
  });
  const moved = await new Promise<number>((resolve) => {
    new HandOver(candidates, {
      ...{ socket: sender.theirs, format: 2, timeoutMs, underwayMax: 16, log: log.logger },
      ...{ ...RUNTIME_SLICES, schedule },
      onPackets: (count) => {
        const message: FromWorker = { type: "parcels", count };
        setImmediate(() => router.onMessage(sender.worker, message));
      },
      onDone: resolve,
    });
  });
  await new Promise((resolve) => setImmediate(resolve));
  await router.whenIdle();
  const served: number[] = [];
  for (const [number, client] of clients) {
    if (!adoptedNumbers.includes(number)) continue;
    writeSync(client, "?");
    const answer = Buffer.alloc(1);
    while (!tryRead(client, answer)) await Bun.sleep(1);
    served.push(number);
  }
  return {
    moved,
    stayed,
    adopted: adoptedNumbers.length,
    lost: router.lost,
    lines: log.lines,
    served,
  };
}

/** False: nothing yet. */
function tryRead(fd: number, bytes: Buffer): boolean {
  try {
    return readSync(fd, bytes) === 1;
  } catch {
    return false;
  }
}

const PASSING: readonly (readonly [Call, string])[] = [
  ["sendmsg", "ETOOMANYREFS"],
  ["sendmsg", "ENOBUFS"],
  ["sendmsg", "ENOMEM"],
  ["sendmsg", "EAGAIN"],
  ["sendmsg", "EINTR"],
  ["recvmsg", "EINTR"],
  ["recvmsg", "ENOMEM"],
  ["memfd_create", "EMFILE"],
  ["memfd_create", "ENFILE"],
  ["memfd_create", "ENOMEM"],
  ["ftruncate", "EINTR"],
  ["pwrite", "EINTR"],
  ["pwrite", "ENOMEM"],
  ["pread", "EINTR"],
  ["pread", "ENOMEM"],
  ["fcntl", "EMFILE"],
  ["ioctl", "EINVAL"],
];

const F_DUPFD_CLOEXEC = 1030;

/** Of the calls of fcntl, only those that take a descriptor. */
function isMeant(call: Call): (fd: number, command: number) => boolean {
  return (_fd, command) => call !== "fcntl" || command === F_DUPFD_CLOEXEC;
}

test.each(PASSING)("%s fails with %s a few times: no client is lost", async (call, code) => {
  prepareToDetach();
  const files = readdirSync("/proc/self/fd").length;
  const restore = failing(call, code, 3, isMeant(call));
  ends.push(restore);
  const outcome = await handOver(60_000);
  expect(restore()).toBeGreaterThan(0);
  expect(outcome).toMatchObject({ moved: CLIENTS, stayed: 0, adopted: CLIENTS, lost: 0 });
  expect(outcome.served).toHaveLength(CLIENTS);
  expect(outcome.lines).toEqual([]);
  for (const end of ends.splice(0).reverse()) end();
  await Bun.sleep(0);
  expect(readdirSync("/proc/self/fd")).toHaveLength(files);
});

test.each(["ETOOMANYREFS", "ENOBUFS", "ENOMEM"])(
  "the supervisor cannot send a few times (%s): no client is lost",
  async (code) => {
    let failures = 0;
    const outcome = await handOver(60_000, (_sender, _receiver, supervisor) => {
      const end = failing("sendmsg", code, 3, (fd) => fd === supervisor);
      ends.push(() => {
        failures = end();
      });
    });
    expect(outcome).toMatchObject({ moved: CLIENTS, adopted: CLIENTS, lost: 0, lines: [] });
    for (const end of ends.splice(0).reverse()) end();
    expect(failures).toBe(3);
  },
);

const ALWAYS = Number.POSITIVE_INFINITY;

/** @param of which process's calls fail */
async function handOverFailing(
  call: Call,
  code: string,
  times: number,
  of: "sender" | "receiver" | "all",
): Promise<Outcome> {
  return await handOver(400, (sender, receiver) => {
    const socket = of === "sender" ? sender : receiver;
    ends.push(failing(call, code, times, (fd) => of === "all" || fd === socket));
  });
}

test("nothing can be sent for good: all stay, and the log says why", async () => {
  const outcome = await handOverFailing("sendmsg", "ETOOMANYREFS", ALWAYS, "sender");
  expect(outcome).toMatchObject({ moved: 0, stayed: CLIENTS, lost: 0 });
  expect(outcome.lines).toEqual([
    'clients stay: not all could be sent in time {"reason":"sendmsg: too many descriptors of this user underway between processes (ETOOMANYREFS)"}',
  ]);
});

test("the supervisor is gone: all stay, at once", async () => {
  const outcome = await handOverFailing("sendmsg", "EPIPE", ALWAYS, "sender");
  expect(outcome).toMatchObject({ moved: 0, stayed: CLIENTS, lost: 0 });
  expect(outcome.lines).toEqual([
    'clients stay: the supervisor takes none any more {"reason":"sendmsg: EPIPE"}',
  ]);
});

test("one packet cannot be sent: its client stays, the others move", async () => {
  const outcome = await handOverFailing("sendmsg", "EMSGSIZE", 1, "sender");
  const others = CLIENTS - 1;
  expect(outcome).toMatchObject({ moved: others, stayed: 1, adopted: others, lost: 0 });
  expect(outcome.lines).toEqual([
    'clients stay: they cannot be sent {"clients":1,"reason":"sendmsg: EMSGSIZE"}',
  ]);
});

test.each([
  ["memfd_create", "EMFILE"],
  ["ftruncate", "ENOSPC"],
  ["pwrite", "ENOSPC"],
] as const)("%s always fails: who needs a memory file stays", async (call, code) => {
  const outcome = await handOverFailing(call, code, ALWAYS, "all");
  const others = CLIENTS - 1;
  expect(outcome).toMatchObject({ moved: others, stayed: 1, adopted: others, lost: 0 });
  expect(outcome.served).not.toContain(LONG_CLIENT);
  expect(outcome.lines).toHaveLength(1);
  expect(outcome.lines[0]).toContain(
    `clients stay: not all could be sent in time {"reason":"${call}:`,
  );
});

test("a memory file cannot be read: its client is lost, and told to the log", async () => {
  const outcome = await handOverFailing("pread", "EIO", ALWAYS, "all");
  const others = CLIENTS - 1;
  expect(outcome).toMatchObject({ moved: CLIENTS, stayed: 0, adopted: others, lost: 1 });
  expect(outcome.served).toHaveLength(others);
  expect(outcome.lines).toEqual([
    'clients are lost: they could not be taken from the supervisor {"clients":1,"reason":"pread: EIO"}',
    'clients could not be adopted {"child":"receiver","clients":1}',
  ]);
});

test("the receiver has no memory for packets for too long: it loses one after the other, not all at once", async () => {
  let failures = 0;
  const outcome = await handOver(60_000, (_sender, receiver) => {
    const startedAtMs = performance.now();
    // For longer than one packet waits, and shorter than two do.
    const isMeantime = (): boolean => performance.now() - startedAtMs < 450;
    const end = failing("recvmsg", "ENOMEM", ALWAYS, (fd) => fd === receiver && isMeantime());
    ends.push(() => {
      failures = end();
    });
  });
  expect(outcome).toMatchObject({ moved: CLIENTS, adopted: CLIENTS - 1, lost: 1 });
  for (const end of ends.splice(0).reverse()) end();
  expect(failures).toBeGreaterThan(10);
});

test("a worker that the system gives no room takes nothing, and loses nothing", async () => {
  const outcome = await handOver(60_000, (_sender, receiver) => {
    const startedAtMs = performance.now();
    const isMeantime = (): boolean => performance.now() - startedAtMs < 200;
    ends.push(failing("fcntl", "EMFILE", ALWAYS, (fd) => fd === receiver && isMeantime()));
  });
  expect(outcome).toMatchObject({ moved: CLIENTS, adopted: CLIENTS, lost: 0, lines: [] });
});
