import { type ConnectionKind, type Lease, NO_KIND } from "../../../api/upstream.ts";
import type { ClientBlock } from "./blocking/client-block.ts";
import type { DirectoryEntry } from "./local/client-directory.ts";
import type { Subscriber } from "./pubsub/subscriber.ts";
import type { ScriptClient } from "./scripts/client.ts";
import type { ClientTransaction } from "./transaction/client-transaction.ts";

/** What features keep of one client. Each field belongs to one folder, which alone assigns it; test/architecture holds that. */
export class ClientFeatures {
  /** Of blocking: what the client waits for, if that may take as long as it likes. */
  block: ClientBlock | null = null;
  /** Of identity: the kind of server connection that it will need when a server agrees; held. NO_KIND: it does not want to change. */
  nextVariant: ConnectionKind = NO_KIND;
  /** Of keyless: connections that the client has besides, for as long as a reply is owed that comes over them. */
  leases: Set<Lease> | null = null;
  /** Of local: what other clients may see of it, and do to it. */
  readonly entry: DirectoryEntry;
  /** Of pubsub. Not null: the client is, or is about to be, subscribed to something. */
  subscriber: Subscriber | null = null;
  /** Of scripts. Null until the client runs or changes scripts. */
  scripts: ScriptClient | null = null;
  /** Of transaction: since the first MULTI or WATCH. */
  transaction: ClientTransaction | null = null;

  constructor(entry: DirectoryEntry) {
    this.entry = entry;
  }
}
