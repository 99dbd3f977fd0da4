/** The families of requests that the proxy does not serve as Redis does yet. It shrinks to nothing, and then goes. */

export const NOT_YET: readonly string[] = [
  "client names",
  "select",
  "other databases",
  "hello",
  "reset",
  "scan",
  "publishing",
  "help",
  "reply switches",
  "subscribing",
  "blocking scenarios",
  "subscription scenarios",
  "transaction scenarios",
  "session scenarios",
  ..."transactions blocking subscriptions streams databases sessions maps"
    .split(" ")
    .map((part) => `clients: ${part}`),
];

/** Whether the proxy is to be compared in this family: it is not on the list, or ALL_FAMILIES is set. */
export function isReady(family: string): boolean {
  return process.env["ALL_FAMILIES"] !== undefined || !NOT_YET.includes(family);
}
