const HOST = "127.0.0.1";

/** One connection that passes through a relay. */
interface Passing {
  server: Bun.Socket | null;
  /** Received before there was a server, or not passed on yet. */
  readonly early: Buffer[];
  late: { readonly bytes: Buffer; readonly atMs: number }[];
}

const SLOW_MS = 600;

/** Passes bytes on, in their order: at once, late, or others in their place. */
export class ChaosRelay {
  mode: "well" | "slow" | "garbage" = "well";
  private readonly server: Bun.TCPSocketListener<Passing>;

  constructor(port: number, to: number) {
    const relay = this;
    this.server = Bun.listen<Passing>({
      ...{ hostname: HOST, port },
      socket: {
        open(client) {
          const passing: Passing = { server: null, early: [], late: [] };
          client.data = passing;
          void Bun.connect({
            ...{ hostname: HOST, port: to },
            socket: {
              open(server) {
                passing.server = server;
                for (const bytes of passing.early.splice(0)) server.write(bytes);
              },
              data: (_, bytes) => relay.pass(client, bytes),
              close: () => void client.end(),
              error: () => void client.end(),
            },
          }).catch(() => client.end());
        },
        data({ data: { server, early } }, bytes) {
          if (server === null) early.push(Buffer.from(bytes));
          else server.write(bytes);
        },
        close({ data }) {
          data.server?.end();
        },
        error() {},
      },
    });
  }

  private pass(client: Bun.Socket<Passing>, bytes: Buffer): void {
    const passing = client.data;
    if (this.mode === "garbage") client.write("\x00\x01 this is no reply \xff\r\n");
    else if (this.mode === "well" && passing.late.length === 0) client.write(bytes);
    else {
      const atMs = performance.now() + (this.mode === "slow" ? SLOW_MS : 0);
      passing.late.push({ bytes: Buffer.from(bytes), atMs });
      if (passing.late.length === 1) this.passLate(client);
    }
  }

  private passLate(client: Bun.Socket<Passing>): void {
    const [next] = client.data.late;
    if (next === undefined) return;
    setTimeout(
      () => {
        client.data.late.shift();
        client.write(next.bytes);
        this.passLate(client);
      },
      Math.max(0, next.atMs - performance.now()),
    );
  }

  stop(): void {
    this.server.stop(true);
  }
}
