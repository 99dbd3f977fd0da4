/** Links of a tree alone: requests are letters, lower case for reads; what they are sent to is the test's to answer. */
import { KIND, type ReplyKind } from "../../../../src/api/protocol.ts";
import { ACCESS, type Access } from "../../../../src/api/request-facts.ts";
import type { RequestReader } from "../../../../src/api/request-reader.ts";
import type { Failure, Link, ReplySink } from "../../../../src/api/upstream.ts";
import type { InnerClient } from "../../../../src/route/link/inner-client.ts";

export const LOST: Failure = { kind: "closed", wasSent: true, text: "lost" };
export const UNSENT: Failure = { kind: "refused", wasSent: false, text: "refused" };

export interface SentRequest {
  readonly text: string;
  readonly sink: ReplySink;
  readonly token: number;
  readonly count: number;
}

export class LetterReader implements RequestReader {
  access: Access = ACCESS.read;
  keyStart = 0;
  keyEnd = 0;

  read(bytes: Buffer, start: number): number {
    this.access = bytes[start]! >= 0x61 ? ACCESS.read : ACCESS.write;
    return start + 1;
  }
}

/** What a branch was sent. */
export class Branch {
  readonly sent: SentRequest[] = [];
  refusal: Failure | null = null;
  isFull = false;
  isBusy = false;
  readonly waiters: unknown[] = [];

  get link(): Link {
    const branch = this;
    return {
      get refusal() {
        return branch.refusal;
      },
      get isFull() {
        return branch.isFull;
      },
      send: (bytes, start, end, sink, token, count) =>
        void branch.sent.push({ text: bytes.toString("latin1", start, end), sink, token, count }),
      begin: () => {
        throw new Error("nothing is composed");
      },
      commit() {},
      waitForRoom: (waiter) => void branch.waiters.push(waiter),
    };
  }

  get inner(): InnerClient {
    const branch = this;
    const client = {
      isOpen: true,
      get isBusy() {
        return branch.isBusy;
      },
      take: branch.link.send,
      whenRoom: (waiter: unknown) => void branch.waiters.push(waiter),
    };
    return client as unknown as InnerClient;
  }

  get texts(): string[] {
    return this.sent.map(({ text }) => text);
  }

  /** Answers request number `index`. */
  reply(index: number, text: string, kind: ReplyKind = KIND.value): void {
    const { sink, token } = this.sent[index]!;
    const bytes = Buffer.from(text);
    sink.onReplies(token, 1, bytes, 0, bytes.length, kind);
  }

  fail(index: number, failure: Failure): void {
    const { sink, token } = this.sent[index]!;
    sink.onFailure(token, 1, failure);
  }
}

/** Notes what a client is told. */
export function listener(): { readonly told: string[]; readonly sink: ReplySink } {
  const told: string[] = [];
  const sink: ReplySink = {
    takesRuns: true,
    onReplies: (token, count, bytes, start, end) =>
      told.push(`${token}${count > 1 ? `+${count}` : ""} ${bytes.toString("latin1", start, end)}`),
    onFailure: (token, _count, { text, wasSent }) =>
      told.push(`${token} ${text}${wasSent ? ", maybe executed" : ""}`),
  };
  return { told, sink };
}
