/** Asks servers what only they can say: whether they let a client be who it wants to be. */
import type { Failure, Lease, ReplySink } from "../../api/upstream.ts";
import { copyOf } from "../../base/copy-of.ts";
import { encodeRequest } from "../../protocol/redis/encode.ts";
import { anyServer, serversFor } from "./any-server.ts";
import type { RedisFrontend } from "./redis-frontend.ts";
import { VARIANT_FOR_AUTH } from "./variant-table.ts";

const NOBODY: Failure = {
  kind: "ejected",
  wasSent: false,
  text: "Connection refused (all servers of the pool are ejected, or have lent all connections that they may)",
};

const BUSY: Failure = {
  kind: "timeout",
  wasSent: false,
  text: "too much is waiting for the server that should say whether this is permitted",
};

/** Whether a server agrees to connections of kind `variant`: null, or why not; "handshake" when it refused. */
export function prove(
  client: RedisFrontend,
  variant: number,
  done: (failure: Failure | null) => void,
): void {
  withLease(client, variant, done, (lease) => {
    lease.release(true);
    done(null);
  });
}

/**
 * Whether a server knows this user and password, as bytes; user null: the form of AUTH that names nobody. Asked each time:
 * what was true a moment ago need not be any more.
 * @param done gets the server's reply, or why there is none
 */
export function askPassword(
  client: RedisFrontend,
  user: Buffer | null,
  password: Buffer,
  done: (answer: Buffer | Failure) => void,
): void {
  const words = user === null ? [password] : [user, password];
  const request = encodeRequest("AUTH", ...words);
  withLease(client, VARIANT_FOR_AUTH, done, (lease) => {
    client.leases.add(lease);
    const sink = new SingleReply((answer) => {
      client.leases.delete(lease);
      lease.release(Buffer.isBuffer(answer));
      done(answer);
    });
    lease.send(request, 0, request.length, sink, 0, 1);
  });
}

/**
 * Whether the servers let the client do what `words` say, which must change nothing: null, or their error. What cannot be
 * asked is permitted to who has said nothing about itself, so that the proxy can be looked at while servers are down.
 */
export function askWhetherPermitted(
  client: RedisFrontend,
  words: readonly (string | Buffer)[],
  done: (fault: Buffer | null) => void,
): void {
  const isKnown = client.state.password !== null;
  const upstream = anyServer(client);
  const connection = upstream === null ? null : client.connectionTo(upstream);
  const failure = connection === null ? NOBODY : connection.refusal;
  if (connection === null || failure !== null || connection.isFull) {
    done(isKnown ? client.failureReply(failure ?? BUSY) : null);
    return;
  }
  const request = encodeRequest(...words);
  const sink = new SingleReply((answer) => {
    if (!Buffer.isBuffer(answer)) done(isKnown ? client.failureReply(answer) : null);
    else done(REFUSED.test(answer.toString("latin1")) ? answer : null);
  });
  connection.send(request, 0, request.length, sink, 0, 1);
}

/** Not that it does not know such a request: it may be of an older version. */
const REFUSED = /^-(NOPERM|NOAUTH|ERR No such user)/;

/** Takes the reply to one request. */
export class SingleReply implements ReplySink {
  private readonly done: (answer: Buffer | Failure) => void;

  constructor(done: (answer: Buffer | Failure) => void) {
    this.done = done;
  }

  onReplies(_token: number, _count: number, bytes: Buffer, start: number, end: number): void {
    this.done(copyOf(bytes, start, end));
  }

  onFailure(_token: number, _count: number, failure: Failure): void {
    this.done(failure);
  }
}

/** Finds a server that can be reached, and lends a connection to it. A lease that `onReady` gets is its to release. */
function withLease(
  client: RedisFrontend,
  variant: number,
  onFailure: (failure: Failure) => void,
  onReady: (lease: Lease) => void,
): void {
  const servers = serversFor(client);
  let last = NOBODY;
  const tryNext = (): void => {
    const upstream = servers.shift();
    if (upstream === undefined) {
      onFailure(last);
      return;
    }
    // A server that is known to be down is not called by every client anew.
    const { refusal } = upstream.connection(client.session.lane, 0);
    const lease = refusal === null ? upstream.lease(variant) : null;
    if (lease === null) {
      last = refusal ?? last;
      tryNext();
      return;
    }
    client.leases.add(lease);
    lease.whenReady((failure) => {
      client.leases.delete(lease);
      if (failure === null) onReady(lease);
      else if (failure.kind === "handshake") onFailure(failure);
      else {
        last = failure;
        tryNext();
      }
    });
  };
  tryNext();
}
