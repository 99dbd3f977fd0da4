/** What the clients of one pool in one worker share, when their bytes go to one server each. */
import type { ClientPort } from "../../api/client-port.ts";
import type { Frontend } from "../../api/frontend.ts";
import type { GroupMove, ReceivedPart } from "../../api/move.ts";
import type { UpstreamProtocol } from "../../api/protocol.ts";
import type { PoolHost, ProtocolPool } from "../../api/protocol-module.ts";
import { closeFd } from "../../os/fd.ts";
import { TcpFrontend } from "./frontend.ts";
import { readTcpOptions } from "./options.ts";
import { TcpServers } from "./servers.ts";

const NONE: Buffer = Buffer.alloc(0);

export class TcpProtocolPool implements ProtocolPool {
  readonly serverProtocols: readonly UpstreamProtocol[] = [];
  // No words are known that such a client would understand.
  readonly tooManyClients: Buffer = NONE;
  readonly noDescriptors: Buffer = NONE;
  private readonly host: PoolHost;
  private readonly servers: TcpServers;

  constructor(host: PoolHost) {
    this.host = host;
    this.servers = new TcpServers(host, readTcpOptions(host.config.options));
  }

  createFrontend(client: ClientPort, saved: unknown, descriptors: readonly number[]): Frontend {
    return new TcpFrontend(this.host, this.servers, client, saved, descriptors);
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
