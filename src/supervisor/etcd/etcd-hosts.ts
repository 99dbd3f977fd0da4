/**
 * What hosts agree on, as it is in etcd: one key with the shared state, and one for each host, which is there for as long as the host is heard.
 *
 * It is asked for again and again in place of being watched: a watch that has died looks like one that has nothing to tell.
 */
import type { EtcdConfig } from "../../api/config.ts";
import { HOST_HEARD_MS, HOST_LEASE_S } from "../../base/agreement-limits.ts";
import type { HostName } from "../../migration/host-course.ts";
import type { SharedRegister, SharedVersion } from "../../migration/shared-keeper.ts";
import { SHARED_FORMAT, type SharedState } from "../../migration/shared-state.ts";
import { EtcdClient, EtcdError } from "./etcd-client.ts";

export interface EtcdHostsEvents {
  /** Who has been heard lately. */
  onLive(ids: ReadonlySet<string>): void;
  /** @param problem why the last exchange failed; null: it did not */
  onContact(problem: string | null): void;
}

export class EtcdHosts implements SharedRegister {
  readonly #client: EtcdClient;
  readonly #stateKey: string;
  readonly #hostsPrefix: string;
  readonly #name: HostName;
  readonly #events: EtcdHostsEvents;
  #lease: string | null = null;
  #heardMs = Number.NEGATIVE_INFINITY;
  #isHearing = false;

  constructor(config: EtcdConfig, name: HostName, events: EtcdHostsEvents) {
    this.#client = new EtcdClient(config);
    this.#stateKey = `${config.prefix}/state`;
    this.#hostsPrefix = `${config.prefix}/hosts/`;
    this.#name = name;
    this.#events = events;
  }

  read(done: (version: SharedVersion | null) => void): void {
    void this.#exchange(async () => {
      const keys = await this.#client.read([this.#stateKey], [this.#hostsPrefix]);
      const prefix = this.#hostsPrefix;
      const hosts = keys.filter(({ key }) => key.startsWith(prefix));
      this.#events.onLive(new Set(hosts.map(({ key }) => key.substring(prefix.length))));
      const found = keys.find(({ key }) => key === this.#stateKey);
      if (found === undefined) return { state: null, revision: 0 };
      return { state: parseState(this.#stateKey, found.value), revision: found.modRevision };
    }).then(done);
  }

  write(
    state: SharedState,
    revision: number,
    done: (result: number | "conflict" | null) => void,
  ): void {
    void this.#exchange<number | "conflict">(async () => {
      const text = JSON.stringify(state);
      return (await this.#client.replace(this.#stateKey, text, revision)) ?? "conflict";
    }).then(done);
  }

  /** Called again and again: others see that this host is there. */
  tick(): void {
    if (this.#isHearing || performance.now() - this.#heardMs < HOST_HEARD_MS) return;
    this.#isHearing = true;
    this.#heardMs = performance.now();
    void this.#exchange(() => this.#beHeard()).then(() => {
      this.#isHearing = false;
    });
  }

  async #beHeard(): Promise<void> {
    if (this.#lease !== null && (await this.#client.keepUp(this.#lease))) return;
    this.#lease = await this.#client.grant(HOST_LEASE_S);
    await this.#client.put(this.#hostsPrefix + this.#name.id, this.#name.start, this.#lease);
  }

  /** This host ends. */
  async fallSilent(): Promise<void> {
    const lease = this.#lease;
    this.#lease = null;
    if (lease !== null) await this.#exchange(() => this.#client.revoke(lease));
  }

  /** @returns null: it failed, or it is not known whether it did */
  async #exchange<Result>(act: () => Promise<Result>): Promise<Result | null> {
    try {
      const result = await act();
      this.#events.onContact(null);
      return result;
    } catch (error) {
      if (!(error instanceof EtcdError)) throw error;
      this.#events.onContact(error.message);
      return null;
    }
  }
}

/** @throws EtcdError: it cannot be understood */
function parseState(key: string, text: string): SharedState {
  let state: SharedState | null = null;
  try {
    state = JSON.parse(text) as SharedState;
  } catch {
    // Told below.
  }
  if (state?.format === SHARED_FORMAT) return state;
  throw new EtcdError(
    `${key} in etcd, on which hosts agree, cannot be understood: it is of another version of the proxy, or damaged`,
  );
}
