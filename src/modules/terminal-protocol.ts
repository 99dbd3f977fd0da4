/** A protocol of a module that answers its clients itself. */
import type { Connection, ConnectionHooks, OptionRows, ProtocolDefinition } from "proxy/module";
import type { ClientPort } from "../api/client-port.ts";
import type { Frontend } from "../api/frontend.ts";
import type { GroupMove, ReceivedPart } from "../api/move.ts";
import type { OptionSettings } from "../api/option.ts";
import type { UpstreamProtocol } from "../api/protocol.ts";
import type { ProtocolPool } from "../api/protocol-module.ts";
import { closeFd } from "../os/fd.ts";
import { connectionHooks, refusePromise } from "./hooks.ts";
import { ModuleInstance, type ModulePool } from "./module-host.ts";

const NONE: Buffer = Buffer.alloc(0);

export class TerminalPool implements ProtocolPool {
  readonly serverProtocols: readonly UpstreamProtocol[] = [];
  // What its clients would understand is not known.
  readonly tooManyClients: Buffer = NONE;
  readonly noDescriptors: Buffer = NONE;
  readonly definition: ProtocolDefinition<OptionRows>;
  readonly instance: ModuleInstance;

  /** @throws what the module's `start` throws, with the module's name */
  constructor(
    definition: ProtocolDefinition<OptionRows>,
    options: OptionSettings,
    pool: ModulePool,
  ) {
    this.definition = definition;
    this.instance = new ModuleInstance(definition.name, "protocol", options, pool);
    try {
      refusePromise(definition.start?.(this.instance.context), "start", "be done when it returns");
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new Error(`pool "${pool.name}": protocol ${definition.name} does not start: ${reason}`);
    }
  }

  createFrontend(client: ClientPort, saved: unknown, descriptors: readonly number[]): Frontend {
    // There are none, unless the pool's protocol was another.
    for (const fd of descriptors) closeFd(fd);
    return new TerminalFrontend(this, client, saved);
  }

  groupMoves(): readonly GroupMove[] {
    return [];
  }

  adoptPart({ connection }: ReceivedPart): void {
    if (connection >= 0) closeFd(connection);
  }

  onGroupComplete(): void {}

  onRouteChange(): void {}

  close(): void {}
}

/** What is saved of a client: `module` is what the module's `save` gave. */
interface SavedTerminal {
  readonly module?: unknown;
}

class TerminalFrontend implements Frontend {
  readonly need: number = 0;
  readonly descriptors: readonly number[] = [];
  readonly needsFormat: number = 1;
  readonly prefersToStay: boolean = false;
  readonly #pool: TerminalPool;
  readonly #client: ClientPort;
  #hooks: ConnectionHooks | null = null;
  readonly #saved: unknown;
  #isOver = false;

  constructor(pool: TerminalPool, client: ClientPort, saved: unknown) {
    this.#pool = pool;
    this.#client = client;
    this.#saved = (saved as SavedTerminal | undefined)?.module;
  }

  consume(bytes: Buffer, start: number, end: number): number {
    const { instance } = this.#pool;
    if (!this.#client.mayTakeMore() || start === end) return start;
    let isFine = false;
    instance.call("bytes", () => {
      this.#hooks ??= this.#connect();
      this.#hooks.bytes(bytes.subarray(start, end));
      isFine = true;
    });
    // What the module thinks of this client is not known any more.
    if (!isFine) this.#client.close();
    return end;
  }

  failureReply(): Buffer {
    return NONE;
  }

  get isReadyToMove(): boolean {
    return this.#pool.definition.moves !== false;
  }

  saveState(): SavedTerminal {
    // A client that has sent nothing here may have come from another process.
    if (this.#hooks === null) return this.#saved === undefined ? {} : { module: this.#saved };
    const saved = this.#pool.instance.call("save", () => plainJson(this.#hooks?.save?.()));
    return saved === undefined ? {} : { module: saved };
  }

  onRouteChange(): void {}

  leave(): void {
    this.#isOver = true;
  }

  close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#pool.instance.call("closed", () => this.#hooks?.closed?.());
  }

  #connect(): ConnectionHooks {
    const client = this.#client;
    const connection: Connection = {
      peer: client.peer,
      saved: this.#saved,
      write: (bytes) => {
        const buffer = typeof bytes === "string" ? Buffer.from(bytes) : toBuffer(bytes);
        if (buffer.length > 0) client.push(buffer, 0, buffer.length);
      },
      end: () => client.finish(),
      close: () => client.close(),
    };
    return connectionHooks(
      this.#pool.definition.connection(connection, this.#pool.instance.context),
    );
  }
}

/** What of `value` is JSON. @throws when it has none: the fault is the module's, and is not met while the client moves */
function plainJson(value: unknown): unknown {
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value) ?? "null");
}

function toBuffer({ buffer, byteOffset, length }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, length);
}
