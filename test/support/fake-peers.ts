/** The worker bus in one process: the real thing, with function calls in place of the control channels. */
import type { FromWorker, ToWorker } from "../../src/api/control.ts";
import { BusRelay, type Peer } from "../../src/supervisor/generation/bus-relay.ts";
import { BusClient } from "../../src/worker/bus-client.ts";

/** One worker; messages pass at once, in JSON as in life. */
export class FakeWorker implements Peer {
  isOnBus = true;
  canAnswer = true;
  /** False: it has stopped to react. */
  isAlive = true;
  /** The only pool that it has; null: it has all. */
  pool: string | null = null;
  readonly bus: BusClient;

  constructor(relay: BusRelay, birth: number) {
    this.bus = new BusClient(birth, copyOf(relay.retained), (message) =>
      relay.onMessage(this, copyOf<FromWorker>(message)),
    );
  }

  knows(topic: string): boolean {
    return this.pool === null || topic.startsWith(`${this.pool}/`);
  }

  send(message: ToWorker): void {
    if (this.isAlive) this.bus.onMessage(copyOf(message));
  }
}

export class FakePeers {
  readonly workers: FakeWorker[] = [];
  readonly relay: BusRelay = new BusRelay(() => this.workers);

  /** It gets no message before `open`. */
  add(): FakeWorker {
    const worker = new FakeWorker(this.relay, this.workers.length);
    this.workers.push(worker);
    return worker;
  }
}

/** Of the only worker there is. */
export function noPeers(): BusClient {
  const { bus } = new FakePeers().add();
  bus.open();
  return bus;
}

function copyOf<Value>(value: Value): Value {
  return JSON.parse(JSON.stringify(value)) as Value;
}
