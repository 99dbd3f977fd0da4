/** The order that gives servers their ring index, and so decides placement under modula. */

/** Sorts by name as twemproxy does: shorter names (in bytes) first, then bytewise. Returns a new array. */
export function sortServers<Server extends { readonly name: string }>(
  servers: readonly Server[],
): Server[] {
  return servers
    .map((server) => ({ server, name: Buffer.from(server.name, "utf8") }))
    .sort((a, b) => a.name.length - b.name.length || Buffer.compare(a.name, b.name))
    .map(({ server }) => server);
}
