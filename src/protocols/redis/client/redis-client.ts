/**
 * A Redis client, as the features see it: what commands of all kinds need to answer it, to refuse, and to send its requests on.
 *
 * RedisFrontend implements it and imports all features. They import this file instead, and what a feature keeps of a client
 * has a place in `features`, which no other folder assigns.
 */

import type { ClientPort } from "../../../api/client-port.ts";
import type { Access } from "../../../api/request-facts.ts";
import type {
  ConnectionKind,
  Failure,
  Lease,
  Link,
  ReplySink,
  Upstream,
} from "../../../api/upstream.ts";
import type { RequestView } from "../codec/request-view.ts";
import type { Command } from "../commands/command.ts";
import type { ClientFeatures } from "./client-features.ts";
import type { RedisClientState } from "./client-state.ts";
import type { Variant } from "./identity/variant.ts";
import type { Mode } from "./mode.ts";
import type { RedisPool } from "./redis-pool.ts";
import type { ReplySwitch } from "./reply-switch.ts";

export interface RedisClient {
  readonly state: RedisClientState;
  readonly pool: RedisPool;
  readonly session: ClientPort;
  readonly features: ClientFeatures;

  // How its requests are taken

  /** What takes them in place of their commands' own handling; null: nothing does. */
  readonly mode: Mode | null;
  setMode(mode: Mode | null): void;
  /** Does with the request at hand what is done with its command outside of modes. */
  dispatch(command: Command, view: RequestView): boolean;
  /** The answer to `request` (as multibulk), which is one that needs no server; it is not sent. */
  answerTo(request: Buffer): Buffer;
  /**
   * For what must not overtake the requests before it, nor be overtaken: true when all are answered. False: the request
   * cannot be taken now, and comes again when they are.
   */
  settleFirst(): boolean;

  // Where they go

  /** The kind of server connection that its requests need; see VariantTable. */
  readonly variant: ConnectionKind;
  /**
   * From now on the client's requests need other connections. Only while nothing is owed to it (`settleFirst`). Whether servers
   * agree is the caller's business, as is the pin.
   * @returns false: too many kinds of connections are in use; nothing has changed
   */
  switchTo(change: Partial<Variant>): boolean;
  /** A connection that this client has for itself; requests for that server go over it. */
  readonly pin: Lease | null;
  /** The one before is the caller's to give back. */
  setPin(pin: Lease | null): void;
  /** Where this client's requests for `upstream` go. */
  connectionTo(upstream: Upstream): Link;
  /** The same for a request outside of transactions, of this access to keys at `upstream`: a read may go to a replica. */
  linkFor(upstream: Upstream, access: Access): Link;
  /** Sends the request at hand to the server of its argument number `key`. */
  forward(view: RequestView, key: number): boolean;
  /** Sends the request at hand to the one server that has all of its keys. */
  forwardKeys(view: RequestView, command: Command): boolean;
  /**
   * Sends the request at hand over `connection`.
   * @param sink sees to it that the session gets the reply; absent: the session itself
   */
  forwardTo(connection: Link, view: RequestView, sink?: ReplySink): boolean;
  /** To be called before anything is sent in another way than by `forwardTo`. */
  flushRun(): void;

  // What it is told

  /** Whether it wants replies. */
  readonly replies: ReplySwitch;
  /** Answers the request at hand without a server. */
  answer(reply: Buffer): void;
  /** Answers the request at hand with an error. */
  refuse(reply: Buffer): void;
  /** The error that tells of `failure`. */
  failureReply(failure: Failure): Buffer;

  // Who it is

  /** Whether it has given the right password, or need not give one. */
  setAuthenticated(isAuthenticated: boolean): void;
  /** It is, or may turn out to be when that is first asked. */
  readonly mayBeAuthenticated: boolean;
  /** The last request's; null: none, or one that no server knows. */
  readonly lastCommand: { readonly name: string } | null;
  readonly lastRequestMs: number;
  /** See Frontend. */
  readonly prefersToStay: boolean;
  readonly createdMs: number;
}
