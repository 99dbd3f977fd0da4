/** Single worker processes without a supervisor: the test plays its part. */
import { join } from "node:path";
import type { Config } from "../../src/api/config.ts";
import {
  type FromWorker,
  LISTEN_FD_FIRST,
  PACKET_FORMATS,
  type ToWorker,
} from "../../src/api/control.ts";
import { openControlChannel } from "../../src/engine/bun/control-channel.ts";
import { createStatsLayout, statsByteLength } from "../../src/metrics/layout.ts";
import { closeFd } from "../../src/os/fd.ts";
import { createPacketPair, receivePacket, sendPacket } from "../../src/os/fd-passing.ts";
import { listenTcp } from "../../src/os/listen-socket.ts";
import { createSharedMemory } from "../../src/os/shared-memory.ts";
import { createSocketPair } from "../../src/os/socket-pair.ts";
import { loadConfig } from "./load-config.ts";

const MAIN = join(import.meta.dir, "../../src/main.ts");
const SLOTS = 16;
const DEADLINE_MS = 30_000;

/** A configuration of one listening socket, and workers that serve it. */
export class TestGeneration {
  readonly config: Config;
  readonly workers: TestWorker[] = [];
  private readonly layout: ReturnType<typeof createStatsLayout>;
  private readonly statsFd: number;
  private readonly listenFd: number;

  /** @param yaml a configuration of one pool that listens on `port` of 127.0.0.1 */
  constructor(yaml: string, port: number) {
    const { config, problems } = loadConfig(yaml, "test.yml");
    if (config === null) throw new Error(problems.map(({ message }) => message).join("; "));
    this.config = config;
    this.layout = createStatsLayout(config, SLOTS);
    this.statsFd = createSharedMemory("test-stats", statsByteLength(this.layout));
    this.listenFd = listenTcp({ ip: "127.0.0.1", port, backlog: 512, reusePort: false });
  }

  /** Starts one more worker; `isAccepting` false: it gets clients only from others. */
  async start(isAccepting = true): Promise<TestWorker> {
    const slot = this.workers.length;
    const worker = new TestWorker([this.statsFd], isAccepting ? [this.listenFd] : []);
    this.workers.push(worker);
    worker.send({
      type: "start",
      slot,
      index: slot,
      birth: slot,
      workers: 1,
      config: this.config,
      listeners: isAccepting ? [{ pool: this.config.pools[0]!.name, fd: LISTEN_FD_FIRST }] : [],
      stats: this.layout,
    });
    await worker.message("ready");
    return worker;
  }

  async stop(): Promise<void> {
    for (const worker of this.workers) worker.kill();
    await Promise.all(this.workers.map((worker) => worker.exited));
    closeFd(this.statsFd);
    closeFd(this.listenFd);
  }
}

export class TestWorker {
  readonly exited: Promise<number>;
  readonly pid: number;
  private readonly child: Bun.Subprocess;
  private readonly channel: ReturnType<typeof openControlChannel<FromWorker, ToWorker>>;
  private readonly handover: number;
  private readonly waiting: { type: string; resolve(message: FromWorker): void }[] = [];
  private receiver: TestWorker | null = null;
  private onAdopted: (counts: Extract<FromWorker, { readonly type: "adopted" }>) => void = () => {};
  /** Packets that were passed on so far. */
  packets = 0;

  constructor(firstFds: readonly number[], listenFds: readonly number[]) {
    const control = createSocketPair();
    const handover = createPacketPair();
    this.handover = handover.ours;
    this.child = Bun.spawn([process.execPath, MAIN, "__worker"], {
      stdio: [
        "ignore",
        "inherit",
        "inherit",
        control.theirs,
        ...firstFds,
        handover.theirs,
        ...listenFds,
      ],
    });
    closeFd(control.theirs);
    closeFd(handover.theirs);
    this.pid = this.child.pid;
    this.exited = this.child.exited;
    this.channel = openControlChannel<FromWorker, ToWorker>(control.ours, {
      onMessage: (message) => this.onMessage(message),
      onClose() {},
    });
  }

  send(message: ToWorker): void {
    this.channel.send(message);
  }

  kill(): void {
    this.child.kill("SIGKILL");
  }

  /** The next message of this type. */
  async message<Type extends FromWorker["type"]>(
    type: Type,
  ): Promise<Extract<FromWorker, { readonly type: Type }>> {
    const { promise, resolve, reject } = Promise.withResolvers<FromWorker>();
    this.waiting.push({ type, resolve });
    const timer = setTimeout(() => reject(new Error(`no ${type} from the worker`)), DEADLINE_MS);
    const message = await promise;
    clearTimeout(timer);
    return message as Extract<FromWorker, { readonly type: Type }>;
  }

  /** Hands sessions over to `receiver`, as the supervisor would; resolves when this worker says that it is done. */
  async handOverTo(
    receiver: TestWorker,
    sessions: number | null,
    pool: string,
    format: number = Math.max(...PACKET_FORMATS),
  ): Promise<{ readonly moved: number; readonly left: number }> {
    this.receiver = receiver;
    const done = this.message("handed_over");
    const order = { sessions, pools: [pool], format, timeoutMs: DEADLINE_MS };
    this.send({ type: "hand_over", ...order });
    return await done;
  }

  /** Hands it packets, as the supervisor would. The descriptors stay the caller's. */
  async take(
    packets: readonly { readonly bytes: Buffer; readonly fds: readonly number[] }[],
  ): Promise<{ readonly adopted: number; readonly failed: number; readonly others: number }> {
    for (const { bytes, fds } of packets) {
      if (!sendPacket(this.handover, bytes, fds)) throw new Error("full");
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    const counts = { adopted: 0, failed: 0, others: 0 };
    this.onAdopted = ({ adopted, failed, others = 0 }) => {
      counts.adopted += adopted;
      counts.failed += failed;
      counts.others += others;
      if (counts.adopted + counts.failed + counts.others === packets.length) resolve();
    };
    this.send({ type: "adopt", parcels: packets.length });
    await promise;
    return counts;
  }

  private onMessage(message: FromWorker): void {
    if (message.type === "failed") throw new Error(message.message);
    if (message.type === "adopted") this.onAdopted(message);
    if (message.type === "parcels") this.passOn(message.count);
    const index = this.waiting.findIndex(({ type }) => type === message.type);
    if (index >= 0) this.waiting.splice(index, 1)[0]!.resolve(message);
  }

  private passOn(count: number): void {
    const buffer = Buffer.alloc(128 * 1024);
    for (let i = 0; i < count; i++) {
      const received = receivePacket(this.handover, buffer);
      if (received === null) throw new Error("an announced packet is not there");
      const packet = Buffer.from(buffer.subarray(0, received.length));
      if (!sendPacket(this.receiver!.handover, packet, received.fds)) throw new Error("full");
      for (const fd of received.fds) closeFd(fd);
      this.packets++;
    }
    this.receiver!.send({ type: "adopt", parcels: count });
  }
}
