/** What one can subscribe to: channels by name, channels by pattern, and shard channels, which are a world of their own. */
export type Kind = "channel" | "pattern" | "shard";

export const KINDS: readonly Kind[] = ["channel", "pattern", "shard"];

/** The commands' names in lower case, which are also the first words of their confirmations. */
export const SUBSCRIBE: Readonly<Record<Kind, string>> = {
  channel: "subscribe",
  pattern: "psubscribe",
  shard: "ssubscribe",
};
export const UNSUBSCRIBE: Readonly<Record<Kind, string>> = {
  channel: "unsubscribe",
  pattern: "punsubscribe",
  shard: "sunsubscribe",
};
