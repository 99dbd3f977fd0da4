/** Any protocol over TCP: the bytes of each client go to one server and back as they are. */
import type { ProtocolModule } from "../../api/protocol-module.ts";
import { TCP_IGNORES, TCP_OPTIONS } from "./options.ts";
import { TcpProtocolPool } from "./protocol-pool.ts";

export const tcp: ProtocolModule = {
  name: "tcp",
  options: TCP_OPTIONS,
  ignores: TCP_IGNORES,
  createPool: (host) => new TcpProtocolPool(host),
};
