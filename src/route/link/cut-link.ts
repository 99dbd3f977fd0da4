/** Sends requests on with other keys: without the prefix by which they came here. */
import type { KeyCut } from "../../api/key-cut.ts";
import type { RequestReader } from "../../api/request-reader.ts";
import type { Link, ReplySink } from "../../api/upstream.ts";
import { OuterLink } from "./outer-link.ts";

export interface CutLinkOptions {
  readonly main: Link;
  readonly reader: RequestReader;
  readonly cut: KeyCut;
}

export class CutLink extends OuterLink {
  private readonly options: CutLinkOptions;

  constructor(options: CutLinkOptions) {
    super(options.main);
    this.options = options;
  }

  override send(
    bytes: Buffer,
    start: number,
    end: number,
    sink: ReplySink,
    token: number,
    count: number,
  ): void {
    const { reader, cut } = this.options;
    let at = start;
    for (let i = 0; i < count; i++) {
      const next = i === count - 1 ? end : reader.read(bytes, at, end);
      const made = cut.cut(bytes, at, next > at ? next : end);
      if (Buffer.isBuffer(made)) this.main.send(made, 0, made.length, sink, token + i, 1);
      else sink.onFailure(token + i, 1, made);
      at = next;
    }
  }
}
