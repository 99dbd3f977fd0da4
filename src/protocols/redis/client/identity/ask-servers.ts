/** Asks servers what only they can say: whether they let a client be who it wants to be, or do what it wants to. */

import type { ClientPort } from "../../../../api/client-port.ts";
import {
  type ConnectionKind,
  type Failure,
  FIRST_KIND,
  type Upstream,
} from "../../../../api/upstream.ts";
import { UNAUTHENTICATED_BULK_BYTES_MAX } from "../../../../base/limits.ts";
import { encodeError, encodeRequest } from "../../codec/encode.ts";
import { serversFor } from "../any-server.ts";
import { askAnyOf, askInTurn, NO_SERVER } from "../ask-in-turn.ts";
import type { RedisClient } from "../redis-client.ts";
import { VARIANT_FOR_AUTH } from "./variant-table.ts";

const WRONG_PASSWORD: Buffer = encodeError(
  "WRONGPASS invalid username-password pair or user is disabled.",
);

/**
 * Whether a server agrees to connections of kind `variant`: null, or why not, with its reply when it refused. However many want
 * to know, it is asked once. `done` may be called after the client has gone.
 */
export function prove(
  client: RedisClient,
  variant: ConnectionKind,
  done: (failure: Failure | null) => void,
): void {
  const { variants } = client.pool;
  const { proofs } = variants;
  const waiting = proofs.get(variant);
  if (waiting !== undefined) {
    waiting.push(done);
    return;
  }
  const all = [done];
  proofs.set(variant, all);
  const ended = (failure: Failure | null): void => {
    proofs.delete(variant);
    if (failure === null) variants.prove(variant);
    for (const each of all) each(failure);
  };
  askInTurn<Failure | null>(
    client.pool.deadlines,
    serversFor(client),
    NO_SERVER,
    (upstream, answered) => proveWith(upstream, client.session, variant, answered),
    ended,
  );
}

function proveWith(
  upstream: Upstream,
  { lane, origin }: Pick<ClientPort, "lane" | "origin">,
  variant: ConnectionKind,
  answered: (failure: Failure | null, isFinal: boolean) => void,
): void {
  // A server that is known to be down is not called by every client anew.
  const { refusal } = upstream.connection(lane, FIRST_KIND);
  const lease = refusal === null ? upstream.lease(variant, origin) : null;
  if (lease === null) {
    answered(refusal ?? NO_SERVER, false);
    return;
  }
  lease.whenReady((failure) => {
    if (failure === null) lease.release(true);
    // What is no refusal, as garbage, says nothing of what another server would say.
    answered(failure, failure === null || failure.reply !== undefined);
  });
}

/**
 * Whether a server knows this user and password, as bytes; user null: the form of AUTH that names no user. Asked each time:
 * what was true a moment ago need not be any more. `done` gets the server's reply, or why there is none; maybe after the
 * client has gone.
 */
export function askPassword(
  client: RedisClient,
  user: Buffer | null,
  password: Buffer,
  done: (answer: Buffer | Failure) => void,
): void {
  const words = user === null ? [password] : [user, password];
  // A server closes the connection on those who come with more than this before they are known; no password is so long.
  if (words.some(({ length }) => length > UNAUTHENTICATED_BULK_BYTES_MAX)) {
    done(WRONG_PASSWORD);
    return;
  }
  const { lane } = client.session;
  askAnyOf(
    client.pool.deadlines,
    serversFor(client),
    encodeRequest("AUTH", ...words),
    (upstream) => upstream.connection(lane, VARIANT_FOR_AUTH),
    done,
  );
}

/**
 * Whether the servers let the client do what `words` say, which must change nothing: null, or their error. What cannot be
 * asked is permitted to who has said nothing about itself, so that the proxy can be looked at while servers are down.
 */
export function askWhetherPermitted(
  client: RedisClient,
  words: readonly (string | Buffer)[],
  done: (fault: Buffer | null) => void,
): void {
  const isKnown = client.state.password !== null;
  askAnyOf(
    client.pool.deadlines,
    serversFor(client),
    encodeRequest(...words),
    (upstream) => client.connectionTo(upstream),
    (answer) => {
      if (!Buffer.isBuffer(answer)) done(isKnown ? client.failureReply(answer) : null);
      else done(REFUSED.test(answer.toString("latin1")) ? answer : null);
    },
  );
}

/** Not that it does not know such a request: it may be of an older version. */
const REFUSED = /^-(NOPERM|NOAUTH|ERR No such user)/;
