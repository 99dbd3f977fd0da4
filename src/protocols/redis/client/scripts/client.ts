/** What one client has to do with scripts. */
import type { ClientPort } from "../../../../api/client-port.ts";
import type { Upstream } from "../../../../api/upstream.ts";
import type { ScriptMemory } from "./memory.ts";
import { ScriptReplies } from "./replies.ts";

export class ScriptClient {
  /** Whether all workers have forgotten what the request at hand says that they shall forget. */
  forgetting: "no" | "asked" | "done" = "no";
  private readonly session: ClientPort;
  private readonly memory: ScriptMemory;
  /** By server. */
  private readonly replies: (ScriptReplies | undefined)[] = [];

  constructor(session: ClientPort, memory: ScriptMemory) {
    this.session = session;
    this.memory = memory;
  }

  /** What takes the replies to calls on `upstream`. */
  repliesOf(upstream: Upstream): ScriptReplies {
    const found = this.replies[upstream.id];
    if (found !== undefined) return found;
    const made = new ScriptReplies(this.session, this.memory, upstream);
    this.replies[upstream.id] = made;
    return made;
  }

  /** `upstream` has told the client lately that it does not have a script. Asks once. */
  takeMissed(upstream: Upstream): boolean {
    const found = this.replies[upstream.id];
    if (found === undefined || !found.missesScript) return false;
    found.missesScript = false;
    return true;
  }
}
