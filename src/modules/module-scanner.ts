/** Calls a module's scanners: whatever they throw or return ends a connection at the most. */
import type { Scanner } from "proxy/module";
import { KIND, NO_PUSH, type ReplyKind, type ReplyScanner } from "../api/protocol.ts";
import type { ModuleInstance } from "./module-host.ts";

/** Returned for what is no message. */
const NO_MESSAGE = -1;

/** Finds messages with `scan`, which is named `hook` where it fails. */
export class GuardedScanner {
  private readonly scanner: Scanner;
  private readonly hook: string;
  private readonly instance: ModuleInstance;

  constructor(scanner: Scanner, hook: string, instance: ModuleInstance) {
    this.scanner = scanner;
    this.hook = hook;
    this.instance = instance;
  }

  /** As ReplyScanner.scan. */
  scan(bytes: Buffer, start: number, end: number): number {
    const { scanner, hook, instance } = this;
    try {
      const next = scanner(bytes, start, end);
      if (next === 0 || next === NO_MESSAGE || (next > start && next <= end && next % 1 === 0)) {
        return next;
      }
      throw new TypeError(
        `it returned ${String(next)}, which is neither 0 nor -1 nor a place in the bytes from ${start} to ${end}`,
      );
    } catch (error) {
      instance.guard.failed(error, hook);
      return NO_MESSAGE;
    }
  }
}

/** Replies as a module's `replyScanner` finds them. */
export class ModuleReplyScanner implements ReplyScanner {
  readonly need: number = 0;
  readonly pushType: number = NO_PUSH;
  readonly identifiesRequests: boolean = false;
  readonly parts: number = 0;
  private readonly scanner: GuardedScanner;

  constructor(scanner: GuardedScanner) {
    this.scanner = scanner;
  }

  scan(bytes: Buffer, start: number, end: number): number {
    return this.scanner.scan(bytes, start, end);
  }

  kindOf(): ReplyKind {
    return KIND.value;
  }

  reset(): void {}
}
