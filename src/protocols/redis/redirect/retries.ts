/** Commands with several keys, some of which are elsewhere just now: they are sent again by a clock. Others pass them. */
import { KIND } from "../../../api/protocol.ts";
import type { ConnectionKind } from "../../../api/upstream.ts";
import { CLUSTER_DOWN_WAIT_MS, CLUSTER_PARKED_MAX } from "../../../base/limits.ts";
import type { Again } from "./parked-requests.ts";
import type { RedirectLink } from "./redirect-link.ts";

export interface Retry extends Again {
  /** Where it was sent last. */
  readonly link: RedirectLink;
  /** What it met there; kept. */
  readonly error: Buffer;
}

export class Retries {
  private all: Retry[] = [];

  get isEmpty(): boolean {
    return this.all.length === 0;
  }

  hasAny(kind: ConnectionKind): boolean {
    return this.all.some(({ link }) => link.kind === kind);
  }

  /** @returns false: it has waited for too long, or too many do */
  add(retry: Retry, nowMs: number): boolean {
    if (nowMs - retry.sinceMs >= CLUSTER_DOWN_WAIT_MS) return false;
    if (this.all.length >= CLUSTER_PARKED_MAX) return false;
    this.all.push(retry);
    return true;
  }

  /** Sends all; those that have waited for too long get their error. @param placeOf where one is to be sent; null: as before */
  send(nowMs: number, placeOf: (retry: Retry) => RedirectLink | null): void {
    const { all } = this;
    this.all = [];
    for (const each of all) {
      if (nowMs - each.sinceMs >= CLUSTER_DOWN_WAIT_MS) fail(each);
      else (placeOf(each) ?? each.link).sendAgain(each, false);
    }
  }

  close(): void {
    for (const each of this.all.splice(0)) fail(each);
  }
}

function fail({ sink, token, error }: Retry): void {
  sink.onReplies(token, 1, error, 0, error.length, KIND.error);
}
