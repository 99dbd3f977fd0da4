/** A minimal RESP2 client for tests that care about bytes: commands in, one pipeline, replies out. */
import type { Endpoint } from "./server-process.ts";

/** Bulk and simple strings as bytes, integers as numbers, nil as null; an error reply as an Error. */
export type RedisReply = Buffer | number | null | Error | readonly RedisReply[];

export type RedisCommand = readonly (Buffer | string)[];

export function encodeCommand(command: RedisCommand): Buffer {
  const parts: Buffer[] = [Buffer.from(`*${command.length}\r\n`)];
  for (const argument of command) {
    const bytes = Buffer.from(argument as string, "utf8");
    parts.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from("\r\n"));
  }
  return Buffer.concat(parts);
}

/**
 * Sends all commands at once over a connection of its own and resolves with one reply for each.
 * @throws when the connection ends before all replies came.
 */
export async function exchange(
  endpoint: Endpoint,
  commands: readonly RedisCommand[],
): Promise<RedisReply[]> {
  const { promise, resolve, reject } = Promise.withResolvers<RedisReply[]>();
  const replies: RedisReply[] = [];
  let unsent: Buffer = Buffer.concat(commands.map(encodeCommand));
  let unread: Buffer = Buffer.alloc(0);
  const flush = (socket: Bun.Socket): void => {
    unsent = unsent.subarray(Math.max(0, socket.write(unsent)));
  };
  const socket = {
    open: flush,
    drain: flush,
    data(_: Bun.Socket, chunk: Buffer) {
      unread = Buffer.concat([unread, chunk]);
      let start = 0;
      while (replies.length < commands.length) {
        const parsed = parseReply(unread, start);
        if (parsed === null) break;
        replies.push(parsed.reply);
        start = parsed.end;
      }
      unread = unread.subarray(start);
      if (replies.length === commands.length) resolve(replies);
    },
    close() {
      reject(new Error(`closed after ${replies.length} of ${commands.length} replies`));
    },
    error(_: Bun.Socket, error: Error) {
      reject(error);
    },
  };
  const connection = await ("socketPath" in endpoint
    ? Bun.connect({ unix: endpoint.socketPath, socket })
    : Bun.connect({ hostname: endpoint.host, port: endpoint.port, socket }));
  try {
    return await promise;
  } finally {
    connection.end();
  }
}

function parseReply(bytes: Buffer, start: number): { reply: RedisReply; end: number } | null {
  const lineEnd = bytes.indexOf("\r\n", start);
  if (lineEnd < 0) return null;
  const line = bytes.toString("latin1", start + 1, lineEnd);
  const body = lineEnd + 2;
  switch (String.fromCharCode(bytes[start]!)) {
    case "+":
      return { reply: Buffer.from(line, "latin1"), end: body };
    case "-":
      return { reply: new Error(line), end: body };
    case ":":
      return { reply: Number(line), end: body };
    case "$": {
      const length = Number(line);
      if (length < 0) return { reply: null, end: body };
      if (bytes.length < body + length + 2) return null;
      return { reply: bytes.subarray(body, body + length), end: body + length + 2 };
    }
    case "*":
      return parseArray(bytes, body, Number(line));
    default:
      throw new Error(`not a RESP2 reply: ${line}`);
  }
}

function parseArray(
  bytes: Buffer,
  start: number,
  length: number,
): { reply: RedisReply; end: number } | null {
  if (length < 0) return { reply: null, end: start };
  const items: RedisReply[] = [];
  let end = start;
  while (items.length < length) {
    const item = parseReply(bytes, end);
    if (item === null) return null;
    items.push(item.reply);
    end = item.end;
  }
  return { reply: items, end };
}
