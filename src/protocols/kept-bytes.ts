/** What a client has left inside of a command that is not over, as its session is told of it: so it counts in `client_memory`. */
import type { ClientPort } from "../api/client-port.ts";

export class KeptBytes {
  private readonly session: Pick<ClientPort, "keep">;
  private bytes = 0;

  constructor(session: Pick<ClientPort, "keep">) {
    this.session = session;
  }

  /** `by` bytes of memory more are kept. */
  add(by: number): void {
    this.bytes += by;
    this.session.keep(by);
  }

  /** Nothing is kept any more. May be called again. */
  drop(): void {
    if (this.bytes > 0) this.session.keep(-this.bytes);
    this.bytes = 0;
  }
}
