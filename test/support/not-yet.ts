/** The families of requests that the proxy does not serve as Redis does yet. It shrinks to nothing, and then goes. */

export const NOT_YET: readonly string[] = [
  "script hashes",
  "keyless scripts",
  "script loading",
  "functions",
  "client names",
  "select",
  "other databases",
  "hello",
  "reset",
  "keyspace",
  "scan",
  "publishing",
  "watching",
  "help",
  "administration",
  "transactions",
  "reply switches",
  "subscribing",
  "blocking scenarios",
  "subscription scenarios",
  "transaction scenarios",
  "session scenarios",
  ..."transactions scripts functions blocking subscriptions scans streams databases sessions maps"
    .split(" ")
    .map((part) => `clients: ${part}`),
];

/** Whether the proxy is to be compared in this family: it is not on the list, or ALL_FAMILIES is set. */
export function isReady(family: string): boolean {
  return process.env["ALL_FAMILIES"] !== undefined || !NOT_YET.includes(family);
}
