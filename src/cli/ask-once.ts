/** One exchange with a server, for `proxy check --online`: what is asked goes out, whole replies come back. */
import type { Address } from "../api/config.ts";
import type { ReplyScanner } from "../api/protocol.ts";
import { InputBuffer } from "../base/input-buffer.ts";

export interface Exchange {
  readonly address: Address;
  /** Sent at once; replies are awaited for each. */
  readonly requests: readonly Buffer[];
  readonly scanner: Pick<ReplyScanner, "scan" | "need">;
  readonly timeoutMs: number;
}

/** @returns the replies, each whole. @throws an Error that says why there are none */
export function askOnce({ address, requests, scanner, timeoutMs }: Exchange): Promise<Buffer[]> {
  const replies: Buffer[] = [];
  const input = new InputBuffer();
  return new Promise((resolve, reject) => {
    let socket: Bun.Socket<unknown> | null = null;
    const timer = setTimeout(() => end(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
    const end = (error: Error | null): void => {
      clearTimeout(timer);
      if (error === null) resolve(replies);
      else reject(error);
      socket?.terminate();
    };
    const handler: Bun.SocketHandler<unknown> = {
      open(opened) {
        socket = opened;
        opened.write(Buffer.concat(requests));
        if (requests.length === 0) end(null);
      },
      data(_, chunk) {
        input.receive(chunk, 0, chunk.length, false, scanner.need, true);
        while (input.size > 0) {
          const next = scanner.scan(input.bytes, input.start, input.end);
          if (next < 0) return end(new Error("it does not speak the pool's protocol"));
          if (next === 0) break;
          replies.push(Buffer.from(input.bytes.subarray(input.start, next)));
          input.start = next;
        }
        input.keepRest();
        if (replies.length >= requests.length) end(null);
      },
      close: () => end(new Error("it closed the connection")),
      error: (_, error) => end(error),
      connectError: (_, error) => end(error),
    };
    const target =
      address.kind === "unix"
        ? { unix: address.path }
        : { hostname: address.host, port: address.port };
    Bun.connect({ ...target, socket: handler } as Bun.TCPSocketConnectOptions<undefined>).catch(
      end,
    );
  });
}
