/**
 * A server that misbehaves on demand: it reads requests as Redis would and answers each with what a test's script says.
 *
 * The script may answer with garbage or half a reply, stay silent, answer later, or cut the connection.
 */
import { replyEnd } from "./resp-client.ts";

export interface FakeConnection {
  /** Counts from 0. */
  readonly index: number;
  send(bytes: string | Buffer): void;
  /** FIN. */
  close(): void;
  /** RST. */
  reset(): void;
}

/** One request's arguments as text (latin1); the return value is sent, unless it is null. */
export type FakeScript = (args: readonly string[], connection: FakeConnection) => string | null;

export interface FakeServer {
  readonly host: string;
  readonly port: number;
  /** Every request that came, except PING and the proxy's own questions: ECHO and a command that does not exist. */
  readonly requests: readonly (readonly string[])[];
  /** Connections accepted so far. */
  readonly connections: number;
  /** Resolves when `count` requests in all have come. */
  received(count: number): Promise<void>;
  stop(): void;
}

interface State {
  connection: FakeConnection;
  unread: Buffer;
}

/** Listens on a free loopback port, or on the given one. Those exceptions are answered as Redis does, without asking the script. */
export function startFakeServer(script: FakeScript, port = 0): FakeServer {
  const host = "127.0.0.1";
  const requests: (readonly string[])[] = [];
  const waiting: { count: number; resolve: () => void }[] = [];
  let connections = 0;

  const onRequest = (state: State, args: readonly string[]): void => {
    if (args[0]?.toUpperCase() === "PING") {
      state.connection.send("+PONG\r\n");
      return;
    }
    if (args[0]?.startsWith("STEP-CHECK-") === true) {
      state.connection.send(`-ERR unknown command '${args[0]}', with args beginning with: \r\n`);
      return;
    }
    if (args[0] === "ECHO") {
      state.connection.send(`$${args[1]!.length}\r\n${args[1]}\r\n`);
      return;
    }
    requests.push(args);
    const reply = script(args, state.connection);
    if (reply !== null) state.connection.send(reply);
    for (const { count, resolve } of waiting) if (requests.length >= count) resolve();
  };

  const listener = Bun.listen<State>({
    hostname: host,
    port,
    socket: {
      open(socket) {
        socket.data = { connection: connectionOf(socket, connections), unread: Buffer.alloc(0) };
        connections += 1;
      },
      data(socket, chunk) {
        const state = socket.data;
        state.unread = Buffer.concat([state.unread, chunk]);
        // A request is an array of bulk strings: framed as a reply is.
        for (;;) {
          const end = state.unread.length === 0 ? -1 : replyEnd(state.unread, 0);
          if (end < 0) return;
          const args = argumentsOf(state.unread.subarray(0, end));
          state.unread = state.unread.subarray(end);
          onRequest(state, args);
        }
      },
    },
  });

  return {
    host,
    port: listener.port,
    requests,
    get connections() {
      return connections;
    },
    received: (count) =>
      new Promise((resolve) => {
        if (requests.length >= count) resolve();
        else waiting.push({ count, resolve });
      }),
    stop: () => listener.stop(true),
  };
}

function connectionOf(socket: Bun.Socket<State>, index: number): FakeConnection {
  return {
    index,
    send: (bytes) => {
      const data = Buffer.from(bytes as string, "latin1");
      const taken = socket.write(data);
      // Less than nothing: the connection is closed. Scripts send little, so a short write is a mistake of the test.
      if (taken >= 0 && taken < data.length) throw new Error("the fake reply did not fit");
    },
    close: () => socket.end(),
    reset: () => socket.terminate(),
  };
}

function argumentsOf(request: Buffer): string[] {
  const args: string[] = [];
  let at = request.indexOf("\r\n") + 2;
  while (at < request.length) {
    const line = request.indexOf("\r\n", at);
    const length = Number(request.toString("latin1", at + 1, line));
    args.push(request.toString("latin1", line + 2, line + 2 + length));
    at = line + 2 + length + 2;
  }
  return args;
}
