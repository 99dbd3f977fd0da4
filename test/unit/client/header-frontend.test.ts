/** A session's frontend until its PROXY header has come: cut anywhere, late, malformed, or never whole. */
import { expect, test } from "bun:test";
import type { Frontend } from "../../../src/api/frontend.ts";
import type { ClientAddress } from "../../../src/api/move.ts";
import { HeaderFrontend } from "../../../src/client/header-frontend.ts";
import type { Session } from "../../../src/client/session.ts";
import { binaryHeaderOf, headerLine } from "../../support/proxy-header.ts";

const ENDS = { ip: "203.0.113.7", port: 4711, localIp: "203.0.113.1", localPort: 6379 };

class Rig {
  readonly addresses: (ClientAddress | null)[] = [];
  readonly refusals: string[] = [];
  readonly events: string[] = [];
  passed = "";
  timers = 0;
  late: () => void = () => {};
  input: Buffer = Buffer.alloc(0);
  readonly session = {
    isOpen: true,
    intake: { isPausedByOperator: false, input: { size: 0 } },
    frontend: null as unknown as Frontend,
    throttle: null as { received(bytes: number): void } | null,
    turn: { wake: () => this.events.push("woken") },
    waitForWake: () => void this.events.push("waits"),
    mayTakeMore: () => this.session.isOpen,
  };

  constructor() {
    this.session.frontend = new HeaderFrontend({
      session: this.session as unknown as Session,
      schedule: (delayMs, callback) => {
        expect(delayMs).toBe(5000);
        this.timers++;
        this.late = callback;
        return () => this.timers--;
      },
      waitMs: 5000,
      onHeader: (address) => {
        this.addresses.push(address);
        this.session.frontend = {
          consume: (bytes: Buffer, start: number, end: number) => {
            this.passed += bytes.toString("latin1", start, end);
            return end;
          },
        } as Frontend;
      },
      onRefused: (reason) => {
        this.refusals.push(reason);
        this.session.isOpen = false;
      },
    });
  }

  /** As a session's intake does it: what was not consumed comes again, with what has come behind it. */
  receive(bytes: Buffer): void {
    const all = Buffer.concat([this.input, bytes]);
    this.input = all.subarray(this.session.frontend.consume(all, 0, all.length));
    this.session.intake.input.size = this.input.length;
  }
}

test("however it is cut, what stands behind it goes to the pool's frontend, and all of it", () => {
  for (const header of [headerLine(ENDS), binaryHeaderOf(ENDS, Buffer.from("further facts"))]) {
    const all = Buffer.concat([header, Buffer.from("PING\r\nPING\r\n")]);
    for (let first = 0; first <= all.length; first++) {
      const rig = new Rig();
      rig.receive(all.subarray(0, first));
      rig.receive(all.subarray(first));
      expect(rig.passed).toBe("PING\r\nPING\r\n");
      expect(rig.addresses).toHaveLength(1);
      expect(rig.addresses[0]).toMatchObject({ peer: "203.0.113.7:4711", origin: "203.0.113.7" });
      expect([rig.refusals, rig.timers]).toEqual([[], 0]);
    }
    const slow = new Rig();
    for (const byte of all) slow.receive(Buffer.from([byte]));
    expect(slow.passed).toBe("PING\r\nPING\r\n");
  }
});

test("one that is late, or ends in its middle, is refused; one that sends nothing is not", () => {
  const late = new Rig();
  late.receive(headerLine(ENDS).subarray(0, 20));
  late.late();
  expect(late.refusals).toEqual(["it has not come in time"]);
  const cut = new Rig();
  cut.receive(headerLine(ENDS).subarray(0, 20));
  expect(cut.session.frontend.onInputEnd?.()).toBe(false);
  expect(cut.refusals).toEqual(["the connection ended in the middle of it"]);
  const silent = new Rig();
  expect(silent.session.frontend.onInputEnd?.()).toBe(false);
  silent.session.frontend.close();
  expect([silent.refusals, silent.timers]).toEqual([[], 0]);
});

test("the pool's frontend is given nothing while an operator has the pool wait, or when it is closed", () => {
  const rig = new Rig();
  rig.session.intake.isPausedByOperator = true;
  rig.receive(Buffer.concat([headerLine(ENDS), Buffer.from("PING\r\n")]));
  expect([rig.addresses.length, rig.passed, `${rig.input}`]).toEqual([1, "", "PING\r\n"]);
  // Else the client's end would end it before its request is taken.
  expect(rig.events).toEqual(["waits", "woken"]);
  const other = new Rig();
  other.receive(Buffer.from("GET / HTTP/1.1\r\n"));
  expect([other.passed, other.refusals.length]).toEqual(["", 1]);
});

test("requests that come right behind it are held to the limits like all others", () => {
  const rig = new Rig();
  rig.session.throttle = { received: (bytes) => void rig.events.push(`${bytes} bytes`) };
  rig.receive(Buffer.concat([headerLine(ENDS), Buffer.from("PING\r\n")]));
  expect([rig.passed, `${rig.input}`]).toEqual(["", "PING\r\n"]);
  expect(rig.events).toEqual(["6 bytes", "waits", "woken"]);
});
