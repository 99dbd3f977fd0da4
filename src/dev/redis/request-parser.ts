/** Cuts a client's bytes into requests, with the proxy's own scanner. */
import { InputBuffer } from "../../base/input-buffer.ts";
import { RequestScanner } from "../../protocols/redis/codec/request-scanner.ts";
import { RequestView } from "../../protocols/redis/codec/request-view.ts";

/** The client broke the protocol: the text is its last reply, then the connection is closed. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
}

export class RequestParser {
  readonly #input = new InputBuffer();
  readonly #scanner = new RequestScanner();
  readonly #view = new RequestView();

  constructor() {
    this.#scanner.detectsForeign = false;
  }

  /** The chunk becomes the parser's own. */
  push(chunk: Buffer): void {
    this.#input.add(chunk, this.#scanner.need, false);
  }

  /** Bytes received and not consumed yet. */
  get pendingBytes(): number {
    return this.#input.size;
  }

  /** The next request as byte strings (never empty), or null: more bytes are needed. @throws ProtocolError */
  next(): string[] | null {
    const input = this.#input;
    const view = this.#view;
    for (;;) {
      const next = this.#scanner.scan(input.bytes, input.start, input.end, view);
      if (next < 0) throw new ProtocolError(`Protocol error: ${this.#scanner.fault}`);
      if (next === 0) {
        input.keepRest();
        if (!this.#scanner.isWithinRequest) view.release();
        return null;
      }
      input.start = next;
      if (view.count > 0) return Array.from({ length: view.count }, (_, i) => view.text(i));
    }
  }
}
