import type { RedisClient } from "../redis-client.ts";
import type { BlockedAt, ClientType, DirectoryEntry } from "./client-directory.ts";
import { addressOf, clientLine, localAddressOf, typeOf, userOf } from "./client-line.ts";

/** A client, as the directory of its pool has it. */
export class ListedClient implements DirectoryEntry {
  leavesAfterReply = false;
  private readonly client: RedisClient;

  constructor(client: RedisClient) {
    this.client = client;
  }

  get id(): number {
    return this.client.state.id;
  }

  get line(): string {
    return clientLine(this.client);
  }

  get address(): string {
    return addressOf(this.client);
  }

  get localAddress(): string {
    return localAddressOf(this.client);
  }

  get type(): ClientType {
    return typeOf(this.client);
  }

  get user(): string {
    return userOf(this.client);
  }

  blockedAt(): BlockedAt | null {
    const { block } = this.client.features;
    const idOnServer = block?.target() ?? 0;
    if (block === null || idOnServer === 0) return null;
    const { name, address } = block.lease.upstream;
    return { server: name, address, id: idOnServer };
  }

  close(): void {
    this.client.session.close();
  }
}
