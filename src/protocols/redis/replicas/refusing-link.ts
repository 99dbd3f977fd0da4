/** In place of a replica, when none may be read. */
import type { Failure, Link } from "../../../api/upstream.ts";
import { assert } from "../../../base/assert.ts";

export class RefusingLink implements Link {
  readonly refusal: Failure;
  readonly isFull = false;

  /** @param primary the name of the one whose replicas these are */
  constructor(primary: string) {
    const text = `Host is down: no replica of ${primary} may be read now: none is there, linked and within max_lag (read_from: prefer_replica reads the primary then)`;
    this.refusal = { kind: "refused", wasSent: false, text };
  }

  send(): void {
    assert(false, "nothing is sent to what refuses");
  }

  begin(): never {
    assert(false, "nothing is sent to what refuses");
  }

  commit(): void {}

  waitForRoom(): void {}
}
