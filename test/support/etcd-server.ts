/** A real etcd for tests, on a loopback port; its data stay when it is stopped and started again. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "./free-port.ts";
import { makeDirectory, type ServerProcess, startServer } from "./server-process.ts";

export interface EtcdTls {
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
}

export class EtcdServer {
  readonly url: string;
  readonly #data: string = makeDirectory("etcd-data");
  readonly #port: number = freePort();
  readonly #peerPort: number = freePort();
  readonly #tls: EtcdTls | null;
  #process: ServerProcess | null = null;

  constructor(tls: EtcdTls | null = null) {
    this.#tls = tls;
    this.url = `${tls === null ? "http" : "https"}://127.0.0.1:${this.#port}`;
  }

  get pid(): number {
    return this.#process!.pid;
  }

  async start(): Promise<void> {
    const peer = `http://127.0.0.1:${this.#peerPort}`;
    const tls = this.#tls;
    const command = [
      ...["etcd", "--name", "one", "--data-dir", join(this.#data, "data")],
      ...["--listen-client-urls", this.url, "--advertise-client-urls", this.url],
      ...["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer],
      ...["--initial-cluster", `one=${peer}`, "--logger", "zap"],
      ...(tls === null ? [] : ["--cert-file", tls.certFile, "--key-file", tls.keyFile]),
      ...(tls === null ? [] : ["--client-cert-auth", "--trusted-ca-file", tls.caFile]),
    ];
    const endpoint = { host: "127.0.0.1", port: this.#port };
    const isReady = (output: string): boolean => /serving client traffic/.test(output);
    this.#process = await startServer(
      command,
      makeDirectory("etcd"),
      [endpoint],
      "SIGKILL",
      isReady,
    );
  }

  /** Its data stay. */
  async stop(): Promise<void> {
    await this.#process?.stop();
    this.#process = null;
  }

  async remove(): Promise<void> {
    await this.stop();
    rmSync(this.#data, { recursive: true, force: true });
  }

  /** Runs etcdctl. @returns its output */
  async control(...words: readonly string[]): Promise<string> {
    const env = { ...process.env, ETCDCTL_API: "3" };
    const child = Bun.spawn(["etcdctl", "--endpoints", this.url, ...words], {
      ...{ env, stdout: "pipe", stderr: "pipe" },
    });
    const output = await new Response(child.stdout).text();
    const errors = await new Response(child.stderr).text();
    if ((await child.exited) !== 0) throw new Error(`etcdctl ${words.join(" ")}: ${errors}`);
    return output;
  }
}
