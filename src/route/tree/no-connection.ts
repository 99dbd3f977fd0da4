/** What stands in the place of connections to another pool that has no room for one more kind of them. */
import {
  type Failure,
  FIRST_KIND,
  type Lease,
  type Link,
  type SubscriberConnection,
  type Upstream,
} from "../../api/upstream.ts";

const FAILURE: Failure = {
  kind: "refused",
  wasSent: false,
  text: "Connection refused (the pool that the route leads to has too many kinds of connections: users and databases that clients chose)",
};
const NO_BYTES: Buffer = Buffer.alloc(0);

function refuse(): never {
  throw new Error("nothing can be sent where there is no connection");
}

export const NO_LINK: Link = {
  refusal: FAILURE,
  isFull: false,
  send: (_bytes, _start, _end, sink, token, count) => sink.onFailure(token, count, FAILURE),
  begin: refuse,
  commit: refuse,
  waitForRoom() {},
};

/** Of no server: who gets it sees that it is refused. */
const NO_UPSTREAM: Upstream = {
  ...{ id: 0, member: "", name: "", weight: 1, address: "", incarnation: 0 },
  ...{ isReplica: false, isEjected: true },
  connection: () => NO_LINK,
  lease: () => null,
  whyNoLease: () => FAILURE.text,
  adopt: refuse,
  subscriber: () => NO_SUBSCRIBER,
};

export const NO_LEASE: Lease = {
  ...NO_LINK,
  ...{ upstream: NO_UPSTREAM, variant: FIRST_KIND, mayBlock: false, isMovable: false, fd: -1 },
  whenLost() {},
  whenReady: (callback) => callback(FAILURE),
  release() {},
  quiesce() {},
  leave() {},
  expect(sink, token) {
    sink.onFailure(token, 1, FAILURE);
  },
};

export const NO_SUBSCRIBER: SubscriberConnection = {
  ...{ isUp: false, refusal: FAILURE, isFull: false, isMovable: false, fd: -1, unread: NO_BYTES },
  open() {},
  adopt() {},
  waitForRoom() {},
  ask() {},
  resetProtocol() {},
  giveUp() {},
  discard() {},
  pause() {},
  leave() {},
};
