/** Two proxies with the same Redis servers, which agree through a real etcd on changes of these. */
import { writeFileSync } from "node:fs";
import type { MigrationStatus, Status } from "../../../src/api/control-socket.ts";
import type { HostsStatus } from "../../../src/api/hosts.ts";
import type { SharedPool, SharedState } from "../../../src/migration/shared-state.ts";
import { EtcdClient } from "../../../src/supervisor/etcd/etcd-client.ts";
import { EtcdServer } from "../etcd-server.ts";
import { freePort } from "../free-port.ts";
import { type ProxyProcess, proxyCommand, startProxy } from "../proxy-process.ts";
import { runCommand } from "../run-command.ts";
import { MigrationRig } from "./rig.ts";

const END_MS = 60_000;

export class HostsRig {
  readonly etcd: EtcdServer = new EtcdServer();
  /** Has the servers. */
  readonly rig: MigrationRig = new MigrationRig();
  readonly hosts: Host[] = [];
  #client: EtcdClient | null = null;

  async start(servers: number, numbers: readonly number[], ...lines: string[]): Promise<void> {
    await this.etcd.start();
    await this.rig.startServers(servers);
    for (let i = 0; i < 2; i++) await this.add(numbers, ...lines);
    this.rig.port = this.hosts[0]!.port;
    for (const host of this.hosts) {
      await this.until("all hosts to be ready", async () => {
        const { hosts } = await host.hosts();
        return hosts.length === 2 && hosts.every(({ isHeard, isReady }) => isHeard && isReady);
      });
    }
  }

  async add(numbers: readonly number[], ...lines: string[]): Promise<Host> {
    const host = new Host(this, lines);
    await host.start(numbers);
    this.hosts.push(host);
    return host;
  }

  async stop(): Promise<void> {
    for (const host of this.hosts) await host.end();
    await this.rig.stop();
    await this.etcd.remove();
  }

  /** All get the same servers. */
  async changeTo(numbers: readonly number[]): Promise<void> {
    for (const host of this.hosts) await host.changeTo(numbers);
  }

  async until(what: string, isSo: () => Promise<boolean>): Promise<void> {
    const endMs = performance.now() + END_MS;
    while (!(await isSo())) {
      if (performance.now() > endMs) {
        const logs = this.hosts.map((host) => host.log()).join("\n---\n");
        throw new Error(`waited for ${what}\n${logs}`);
      }
      await Bun.sleep(20);
    }
  }

  /** What the hosts agree on of their pool, as it is in etcd; null: nothing so far. */
  async shared(): Promise<SharedPool | null> {
    this.#client ??= new EtcdClient({
      ...{ urls: [this.etcd.url], prefix: "", user: null, passwordFile: null },
      ...{ caFile: null, certFile: null, keyFile: null },
    });
    const [found] = await this.#client.read(["/proxy/state"], []);
    if (found === undefined) return null;
    return (JSON.parse(found.value) as SharedState).pools["main"] ?? null;
  }

  /** At every host. */
  async untilAtRest(): Promise<void> {
    for (const host of this.hosts) {
      await this.until("all keys to be at home", async () => {
        return (await host.statuses()).length === 0;
      });
    }
  }

  async untilMoving(): Promise<void> {
    for (const host of this.hosts) {
      await this.until("keys to move", async () => (await host.statuses())[0]?.phase === "moving");
    }
  }
}

export class Host {
  readonly port: number = freePort();
  readonly #rig: HostsRig;
  readonly #lines: readonly string[];
  #proxy: ProxyProcess | null = null;
  #second: Bun.Subprocess | null = null;

  constructor(rig: HostsRig, lines: readonly string[]) {
    this.#rig = rig;
    this.#lines = lines;
  }

  #configOf(numbers: readonly number[]): string {
    const { servers } = this.#rig.rig;
    const list = numbers.map((at) => `"127.0.0.1:${servers[at]!.port}:1 s${at}"`);
    return [
      "drain_timeout: 1s",
      `etcd: ["${this.#rig.etcd.url}"]`,
      "pools:",
      "  main:",
      `    listen: 127.0.0.1:${this.port}`,
      "    migrate: true",
      ...this.#lines.map((line) => `    ${line}`),
      `    servers: [${list.join(", ")}]`,
      "",
    ].join("\n");
  }

  async start(numbers: readonly number[]): Promise<void> {
    this.#proxy = await startProxy({
      ...{ config: this.#configOf(numbers), args: ["--workers", "2"] },
    });
  }

  /** Of its supervisor. */
  get pid(): number {
    return this.#proxy!.pid;
  }

  /** As the service manager stops it. */
  async stopByItself(): Promise<void> {
    await this.#proxy?.stop();
  }

  log(): string {
    return this.#proxy?.stderr() ?? "";
  }

  async end(): Promise<void> {
    this.#second?.kill("SIGTERM");
    await this.#second?.exited;
    await this.#proxy?.stop();
  }

  /** Its supervisor is killed; its workers end by themselves. */
  async kill(): Promise<void> {
    const { pid, exited } = this.#proxy!;
    process.kill(pid, "SIGKILL");
    await exited;
  }

  async startAgain(): Promise<void> {
    const { configFile } = this.#proxy!;
    const args = ["-c", configFile, "--workers", "2", "-a", "127.0.0.1", "-s", `${freePort()}`];
    this.#second = Bun.spawn([...proxyCommand(), ...args], {
      stdio: ["ignore", "ignore", "ignore"],
    });
    await this.#rig.until("the proxy to serve again", async () => {
      return (await this.command("status")).code === 0;
    });
  }

  async command(...words: readonly string[]): Promise<{ code: number; out: string; err: string }> {
    const { configFile } = this.#proxy!;
    const { code, output, errors } = await runCommand([...words, "-c", configFile]);
    return { code, out: output, err: errors };
  }

  async changeTo(numbers: readonly number[]): Promise<void> {
    writeFileSync(this.#proxy!.configFile, this.#configOf(numbers));
    const { code, err } = await this.command("reload");
    if (code !== 0) throw new Error(`the reload ends with ${code}: ${err}`);
  }

  async statuses(): Promise<readonly MigrationStatus[]> {
    const { out } = await this.command("migration", "status", "--json");
    return (JSON.parse(out) as { migrations: readonly MigrationStatus[] }).migrations;
  }

  async hosts(): Promise<HostsStatus> {
    const { out } = await this.command("status", "--json");
    return (JSON.parse(out) as { status: Status }).status.hosts!;
  }
}
