/** Who a client is for the servers: its user, its database and its version of the protocol, and how it changes them. */
import { type Failure, NO_KIND } from "../../../../api/upstream.ts";
import { UNAUTHENTICATED_BULK_BYTES_MAX } from "../../../../base/limits.ts";
import { encodeError, encodeRequest } from "../../codec/encode.ts";
import { SingleReply } from "../ask-in-turn.ts";
import type { RedisClient } from "../redis-client.ts";
import { askPassword, prove } from "./ask-servers.ts";
import { checkPassword } from "./auth.ts";
import type { Variant } from "./variant.ts";

const MINUS = 0x2d;
const TOO_MANY: Buffer = encodeError(
  "ERR too many different users and databases are in use behind this proxy, by all clients or by those at this address; use fewer, or raise the limit of open files",
);

const TOO_LONG: Buffer = encodeError(
  `WRONGPASS users and passwords of more than ${UNAUTHENTICATED_BULK_BYTES_MAX} bytes are not supported through this proxy`,
);

/** Gets null when it is done, else what to tell the client; it is as it was then. */
export type Done = (fault: Buffer | null) => void;

/**
 * Has the client's requests go over connections of another kind from now on, if a server agrees. Only while nothing is owed to
 * the client, which takes no requests until `done` is called.
 */
export function become(client: RedisClient, change: Partial<Variant>, done: Done): void {
  const { variants } = client.pool;
  const variant = variants.hold({ ...client.state, ...change }, client.session.origin);
  if (variant < 0) {
    done(TOO_MANY);
    return;
  }
  client.features.nextVariant = variant;
  const finish = (fault: Buffer | null): void => {
    if (fault === null) client.switchTo(change);
    client.features.nextVariant = NO_KIND;
    variants.release(variant);
    done(fault);
  };
  const agreed = (failure: Failure | null): void => {
    if (!client.session.isOpen) return;
    // As long as no server says no, RESP3 is what all of them are expected to speak.
    const isGuess = failure !== null && failure.reply === undefined && isVersionOnly(change);
    if (failure !== null && !isGuess) finish(client.failureReply(failure));
    else changePin(client, change, finish);
  };
  if (variants.isProven(variant)) agreed(null);
  else prove(client, variant, agreed);
}

function isVersionOnly(change: Partial<Variant>): boolean {
  return Object.keys(change).every((field) => field === "version");
}

/** Has the client be another user, if the pool, or a server, knows this user and password (as bytes). Otherwise as `become`. */
export function authenticate(
  client: RedisClient,
  user: Buffer | null,
  password: Buffer,
  done: Done,
): void {
  const { pool } = client;
  if (pool.password !== null) {
    const refusal = checkPassword(pool.password, user?.toString("latin1") ?? null, password);
    if (refusal === null) client.setAuthenticated(true);
    done(refusal);
    return;
  }
  // Each kind of connection keeps them, and outlives the client.
  const longest = Math.max(user?.length ?? 0, password.length);
  if (longest > UNAUTHENTICATED_BULK_BYTES_MAX) {
    done(TOO_LONG);
    return;
  }
  askPassword(client, user, password, (answer) => {
    if (!client.session.isOpen) return;
    if (!Buffer.isBuffer(answer)) done(client.failureReply(answer));
    else if (answer[0] === MINUS) done(answer);
    else {
      const change = {
        user: user?.toString("latin1") ?? null,
        password: password.toString("latin1"),
      };
      changePin(client, change, (fault) => {
        if (fault === null && !client.switchTo(change)) done(TOO_MANY);
        else {
          if (fault === null) client.setAuthenticated(true);
          done(fault);
        }
      });
    }
  });
}

/** What the client has of its own must follow: it is no other client's. */
function changePin(client: RedisClient, change: Partial<Variant>, done: Done): void {
  const { pin, features } = client;
  if (pin === null || pin.refusal !== null) {
    done(null);
    return;
  }
  features.transaction?.markPinDirty();
  const request = requestFor(change);
  const sink = new SingleReply((answer) => {
    if (!Buffer.isBuffer(answer)) done(client.failureReply(answer));
    else done(answer[0] === MINUS ? answer : null);
  });
  pin.send(request, 0, request.length, sink, 0, 1);
}

/** The one request that makes this one change. */
function requestFor({ version, database, user, password }: Partial<Variant>): Buffer {
  if (version !== undefined) return encodeRequest("HELLO", String(version));
  if (database !== undefined) return encodeRequest("SELECT", String(database));
  const words = [user ?? null, password ?? null].filter((word) => word !== null);
  return encodeRequest("AUTH", ...words.map((word) => Buffer.from(word, "latin1")));
}
