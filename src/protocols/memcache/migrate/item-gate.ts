/**
 * Stands before each request of a pool whose keys are being moved: lets it through when its keys are where the route says, and has them moved
 * if they are not.
 */
import type { ClientPort } from "../../../api/client-port.ts";
import { ACCESS, PlainFacts, type RequestFacts } from "../../../api/request-facts.ts";
import type { Failure, Route } from "../../../api/upstream.ts";
import { MOVING_KEYS_OF_REQUEST_MAX } from "../../../base/migration-limits.ts";
import { shownKey } from "../../../base/shown-key.ts";
import {
  AT_BODY_LENGTH,
  AT_EXTRAS_LENGTH,
  AT_KEY_LENGTH,
  HEADER_BYTES,
} from "../codec/binary/opcode.ts";
import { readUint16, readUint32 } from "../codec/binary/read-number.ts";
import type { TextRequest } from "../codec/text/text-request.ts";
import type { ItemMover } from "./item-mover.ts";

/** Requests behind the one at hand that are looked at: what moves together takes as long as one. */
const LOOK_AHEAD_MAX = 100;
const KEY_SHOWN_BYTES = 64;

const TOO_MANY: Failure = failureOf(
  `a request may name ${MOVING_KEYS_OF_REQUEST_MAX} keys at the most while keys of this pool are moved to other servers`,
);
const NO_FLUSH: Failure = failureOf(
  'flush_all cannot be done while keys of this pool are moved to other servers; see "proxy migration status"',
);

const UNKNOWN_RING: Failure = failureOf(
  "this proxy cannot hear from etcd on which servers the keys of this pool are; nothing was done",
);

const facts: PlainFacts = new PlainFacts();

/** True: it may go on. False: the client waits, and the request comes again. Else what refuses it. */
export type Admission = boolean | Failure;

function failureOf(text: string): Failure {
  return { kind: "refused", wasSent: false, text };
}

export class ItemGate {
  readonly mover: ItemMover;
  private readonly route: Route;

  constructor(mover: ItemMover, route: Route) {
    this.mover = mover;
    this.route = route;
  }

  /** Nothing stands before requests. */
  get isOpen(): boolean {
    return this.mover.moving === null && !this.mover.isRefusing;
  }

  /** @param flush sends what came before */
  admitText(session: ClientPort, request: TextRequest, flush: () => void): Admission {
    const { kind } = request.command;
    if (kind === "flush_all") return this.flushFault ?? true;
    const first = FIRST_KEY[kind];
    if (first === undefined || request.count <= first) return true;
    if (this.mover.isRefusing) return UNKNOWN_RING;
    const { decodedKey } = request;
    if (decodedKey !== null) {
      return this.end(session, this.look(facts.ofKey(decodedKey, ACCESS.write)), flush);
    }
    const last = kind === "get" || kind === "gat" ? request.count : first + 1;
    if (last - first > MOVING_KEYS_OF_REQUEST_MAX) return TOO_MANY;
    let unsettled: Look = null;
    for (let token = first; token < last; token++) {
      const look = this.look(request.key(token));
      if (look !== null && look.why !== null) return look.why;
      unsettled = look ?? unsettled;
    }
    return this.end(session, unsettled, flush);
  }

  /** Of the request at `at`, whose key is `key`, and what follows up to `end`. */
  admitBinary(
    session: ClientPort,
    key: RequestFacts,
    next: number,
    end: number,
    flush: () => void,
  ): Admission {
    if (this.mover.isRefusing) return UNKNOWN_RING;
    const { bytes } = key;
    const look = this.look(key);
    if (look === null) return true;
    // The others go on when they are settled, or are looked at again.
    let at = next;
    for (let left = LOOK_AHEAD_MAX; left > 0 && end - at >= HEADER_BYTES; left--) {
      const keyStart = at + HEADER_BYTES + bytes[at + AT_EXTRAS_LENGTH]!;
      const keyEnd = keyStart + readUint16(bytes, at + AT_KEY_LENGTH);
      at += HEADER_BYTES + readUint32(bytes, at + AT_BODY_LENGTH);
      if (at > end || keyEnd > at) break;
      if (keyEnd > keyStart) {
        this.look(facts.ofKey(bytes.subarray(keyStart, keyEnd), ACCESS.write));
      }
    }
    return this.end(session, look, flush);
  }

  /** Why everything cannot be removed now; null: it can. */
  get flushFault(): Failure | null {
    if (this.mover.isRefusing) return UNKNOWN_RING;
    return this.isOpen ? null : NO_FLUSH;
  }

  private end(session: ClientPort, look: Look, flush: () => void): Admission {
    if (look === null) return true;
    if (look.why !== null) return look.why;
    flush();
    session.waitForWake();
    // As a rule the others are settled by then.
    this.mover.wakeAfter(look.name, session);
    return false;
  }

  /** Has the key moved if need be. @returns null: it is where the route says */
  private look(key: RequestFacts): Look {
    const { mover, route } = this;
    const source = mover.moving?.sourceOf(key) ?? null;
    if (source === null) return null;
    const { bytes, keyStart, keyEnd } = key;
    const name = bytes.toString("latin1", keyStart, keyEnd);
    if (mover.isSettled(name)) return null;
    const target = route.pick(key);
    if (target === null) return null;
    const problem = mover.failureOf(name) ?? mover.move(name, source, target);
    if (problem === null) return { name, why: null };
    const shown = shownKey(Buffer.from(name, "latin1"), KEY_SHOWN_BYTES);
    const why = `the key '${shown}' is still on server ${source.name} and could not be moved to where it belongs; nothing was done: ${problem}`;
    return { name, why: failureOf(why) };
  }
}

/** A key that is not where the route says. */
type Look = { readonly name: string; readonly why: Failure | null } | null;

/** Where the keys of a command begin; one that is not here has none. */
const FIRST_KEY: Readonly<Record<string, number>> = {
  ...{ get: 1, gat: 2, store: 1, delete: 1, arithmetic: 1, touch: 1 },
  ...{ meta_get: 1, meta_set: 1, meta_delete: 1, meta_arithmetic: 1, meta_debug: 1 },
};
