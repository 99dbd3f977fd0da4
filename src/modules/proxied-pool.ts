/** A protocol of a module whose requests go on to servers: one pool in one worker. */
import type { ClientPort } from "../api/client-port.ts";
import type { Frontend } from "../api/frontend.ts";
import type { GroupMove, ReceivedPart } from "../api/move.ts";
import type { UpstreamProtocol } from "../api/protocol.ts";
import type { PoolHost, ProtocolPool } from "../api/protocol-module.ts";
import type { Failure } from "../api/upstream.ts";
import { closeFd } from "../os/fd.ts";
import type { Proxied } from "./definition.ts";
import { refusePromise } from "./hooks.ts";
import { bytesOf, MessageView } from "./message.ts";
import { ModuleInstance, type ModulePool } from "./module-host.ts";
import { GuardedScanner, ModuleReplyScanner } from "./module-scanner.ts";
import { ProxiedFrontend, type SavedProxied } from "./proxied-frontend.ts";
import { nameFault, ProxiedServers } from "./proxied-servers.ts";

const NONE: Buffer = Buffer.alloc(0);

export class ProxiedPool implements ProtocolPool {
  readonly serverProtocols: readonly UpstreamProtocol[];
  readonly tooManyClients: Buffer;
  readonly noDescriptors: Buffer;
  readonly definition: Proxied;
  readonly instance: ModuleInstance;
  readonly host: PoolHost;
  readonly servers: ProxiedServers;
  readonly requests: GuardedScanner;
  /** Milliseconds on a clock that never goes back. */
  readonly now: () => number;
  /** Words for failures, by failure: they are few objects for many requests. */
  private readonly failures: WeakMap<Failure, Buffer> = new WeakMap();

  /** @throws what the module throws while it starts, with the module's name */
  constructor(definition: Proxied, host: PoolHost, pool: ModulePool) {
    this.definition = definition;
    this.host = host;
    this.now = pool.now;
    const instance = new ModuleInstance(definition.name, "protocol", host.config.options, pool);
    this.instance = instance;
    this.servers = new ProxiedServers(host);
    this.requests = new GuardedScanner(definition.requestScanner, "requestScanner", instance);
    try {
      const fault = nameFault(pool.servers);
      if (fault !== null) throw new Error(fault);
      refusePromise(definition.start?.(instance.context), "start", "be done when it returns");
      this.serverProtocols = [upstreamProtocol(definition, instance)];
      // Said at once if it cannot be said at all.
      bytesOf(definition.failure("no reason"), "what failure returns");
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new Error(`pool "${pool.name}": protocol ${definition.name} does not start: ${reason}`);
    }
    this.tooManyClients = this.failure("max number of clients reached");
    this.noDescriptors = this.failure(
      `max number of clients reached (the proxy's limit of open files, ${host.openFiles}, is reached)`,
    );
  }

  createFrontend(client: ClientPort, saved: unknown, descriptors: readonly number[]): Frontend {
    return new ProxiedFrontend(this, client, saved as SavedProxied | undefined, descriptors);
  }

  /** Words for what the module itself has failed at. */
  get ownFault(): string {
    return `module ${this.definition.name} failed`;
  }

  /** The reply to a request that failed for this reason; empty when the module cannot say it. */
  failure(text: string): Buffer {
    const { definition, instance } = this;
    const reply = instance.call("failure", () =>
      bytesOf(definition.failure(text), "what failure returns"),
    );
    return reply ?? NONE;
  }

  failureReply(failure: Failure): Buffer {
    let reply = this.failures.get(failure);
    if (reply === undefined) {
      reply = this.failure(failure.text);
      this.failures.set(failure, reply);
    }
    return reply;
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

/** @throws what the module throws */
function upstreamProtocol(definition: Proxied, instance: ModuleInstance): UpstreamProtocol {
  const greetings = definition.handshake?.(instance.context) ?? [];
  const handshake = greetings.map((bytes) => bytesOf(bytes, "a request of handshake"));
  const scanner = new GuardedScanner(definition.replyScanner, "replyScanner", instance);
  const view = new MessageView();
  return {
    isClientsChoice: false,
    otherLanguage: () => null,
    createReplyScanner: () => new ModuleReplyScanner(scanner),
    handshake: Buffer.concat(handshake),
    handshakeReplies: handshake.length,
    probe: bytesOf(definition.probe, "probe"),
    handshakeFault(_index, bytes, start, end) {
      if (definition.handshakeFault === undefined) return null;
      const isKnown = instance.call("handshakeFault", () => ({
        fault: definition.handshakeFault!(view.bind(bytes, start, end)),
      }));
      view.unbind();
      if (isKnown === undefined) return `: module ${definition.name} failed`;
      return isKnown.fault === null ? null : String(isKnown.fault);
    },
  };
}
