/** Connections that are made to find something out, one question each. */
import type { Address } from "../../api/config.ts";
import type { PoolHost } from "../../api/protocol-module.ts";
import type { ServerStream, ServerStreamEvents } from "../../api/server-stream.ts";
import type { Failure } from "../../api/upstream.ts";
import { DISCOVERY_ANSWER_BYTES_MAX, DISCOVERY_ANSWER_MS } from "../../base/discovery-limits.ts";
import type { Exchange } from "./source.ts";

/** @returns see Exchange */
export function exchangeOver(host: PoolHost): Exchange {
  return (address, request, endOf) =>
    new Promise((resolve, reject) => new Question(host, address, request, endOf, resolve, reject));
}

/** Tells whether `address` can be connected, in bounded time. Where it could not be tried it counts as one that can. */
export function isReachable(host: PoolHost, address: Address): Promise<boolean> {
  const trial: Exchange = (to, request, endOf) =>
    new Promise((resolve, reject) => new Question(host, to, request, endOf, resolve, reject));
  return trial(address, NOTHING, () => 0).then(
    () => true,
    (error: unknown) => error instanceof NotTried,
  );
}

/** An empty request: that it can be connected is the answer. */
const NOTHING: Buffer = Buffer.alloc(0);

class NotTried extends Error {}

class Question implements ServerStreamEvents {
  private readonly request: Buffer;
  private readonly endOf: (bytes: Buffer) => number;
  private readonly resolve: (reply: Buffer) => void;
  private readonly reject: (error: Error) => void;
  private readonly stream: ServerStream | null;
  private readonly cancelTimeout: () => void;
  private received: Buffer = Buffer.alloc(0);
  private isOver = false;

  /** @param request NOTHING, or what is asked */
  constructor(
    host: PoolHost,
    address: Address,
    request: Buffer,
    endOf: (bytes: Buffer) => number,
    resolve: (reply: Buffer) => void,
    reject: (error: Error) => void,
  ) {
    this.request = request;
    this.endOf = endOf;
    this.resolve = resolve;
    this.reject = reject;
    this.cancelTimeout = host.schedule(DISCOVERY_ANSWER_MS, () => this.fail("no answer in time"));
    this.stream = host.openAside(address, this);
    if (this.stream === null && this.end()) reject(new NotTried("no descriptor is left"));
  }

  private end(): boolean {
    if (this.isOver) return false;
    this.isOver = true;
    this.cancelTimeout();
    this.stream?.close();
    return true;
  }

  private fail(fault: string): void {
    if (this.end()) this.reject(new Error(fault));
  }

  private succeed(reply: Buffer): void {
    if (this.end()) this.resolve(reply);
  }

  onOpen(): void {
    const { request, stream } = this;
    if (request.length === 0) this.succeed(request);
    // So few bytes a socket takes, or it is no good.
    else if (stream === null || stream.write(request, 0, request.length) < request.length) {
      this.fail("it takes nothing");
    }
  }

  onRefused(failure: Failure): void {
    this.fail(failure.text);
  }

  onBytes(bytes: Buffer, start: number, end: number): void {
    if (this.isOver) return;
    this.received = Buffer.concat([this.received, bytes.subarray(start, end)]);
    const at = this.endOf(this.received);
    if (at > 0) this.succeed(this.received.subarray(0, at));
    else if (this.received.length > DISCOVERY_ANSWER_BYTES_MAX) this.fail("its answer is too long");
  }

  onDrain(): void {}

  onEnd(): void {
    this.fail("it closed the connection");
  }

  onClose(cause: string): void {
    this.fail(cause === "" ? "it closed the connection" : cause);
  }
}
