/** What a module does with one client's bytes, in its author's cases. */
export interface Subject {
  /** Names of the servers. */
  readonly servers: readonly string[];
  client(bytes: Buffer): Promise<void>;
  /**
   * A reply for the oldest request that waits at a server.
   * @param pieces it arrives in so many bytes at a time
   * @returns false: none waits
   */
  serverSays(server: string, reply: Buffer, pieces: number): Promise<boolean>;
  /** Another process takes the client over, if it may move now. */
  handOver(): Promise<void>;
  /** What was seen since the last time, as latin1; `servers` by name. */
  take(): { readonly servers: ReadonlyMap<string, string>; readonly client: string };
  close(): Promise<void>;
}
