/** Workers' colleagues in one process: the real thing, with function calls in place of the control channels. */
import type { FromWorker, ToWorker } from "../../src/api/control.ts";
import { type Colleague, ColleagueRelay } from "../../src/supervisor/generation/colleague-relay.ts";
import { WorkerColleagues } from "../../src/worker/colleagues.ts";

/** One worker; messages pass at once, in JSON as in life. */
export class FakeWorker implements Colleague {
  hears = true;
  canAnswer = true;
  /** False: it has stopped to react. */
  isAlive = true;
  readonly colleagues: WorkerColleagues;

  constructor(relay: ColleagueRelay, birth: number) {
    this.colleagues = new WorkerColleagues(birth, copyOf(relay.notices), (message) =>
      relay.onMessage(this, copyOf<FromWorker>(message)),
    );
  }

  send(message: ToWorker): void {
    if (this.isAlive) this.colleagues.onMessage(copyOf(message));
  }
}

export class FakeBus {
  readonly workers: FakeWorker[] = [];
  readonly relay: ColleagueRelay = new ColleagueRelay(() => this.workers);

  /** It listens to nobody before `open`. */
  add(): FakeWorker {
    const worker = new FakeWorker(this.relay, this.workers.length);
    this.workers.push(worker);
    return worker;
  }
}

/** Of the only worker there is. */
export function noColleagues(): WorkerColleagues {
  const { colleagues } = new FakeBus().add();
  colleagues.open();
  return colleagues;
}

function copyOf<Value>(value: Value): Value {
  return JSON.parse(JSON.stringify(value)) as Value;
}
