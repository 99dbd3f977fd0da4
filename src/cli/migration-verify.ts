/** What `proxy migration verify` found, in words. */
import type { PoolVerification, ServerVerification } from "../api/migration.ts";
import { formatTable } from "./table.ts";

/** Keys that are not where they belong, and servers that could not be looked at. */
export function hasFaults(pools: readonly PoolVerification[]): boolean {
  return pools.some(({ servers }) =>
    servers.some(({ strays, mended, why }) => strays > mended || why !== ""),
  );
}

export function verificationText(pools: readonly PoolVerification[]): string {
  return `${pools.flatMap(linesOf).join("\n")}\n`;
}

function linesOf({ pool, servers }: PoolVerification): string[] {
  const sum = (pick: (server: ServerVerification) => number): number =>
    servers.reduce((all, server) => all + pick(server), 0);
  const [seen, strays, hidden, mended] = [
    ...[sum((one) => one.seen), sum((one) => one.strays)],
    ...[sum((one) => one.hidden), sum((one) => one.mended)],
  ] as const;
  const found =
    strays === 0
      ? "all where they belong"
      : `${strays} where no request looks for them, ${hidden} of which their servers have, too; ${mended} mended`;
  const rows = servers.map((server) => [
    ...[`  ${server.address}`, `${server.seen} of ${server.keys} keys seen`],
    ...[server.strays === 0 ? "" : `${server.strays} strays`, server.examples.join(" ")],
  ]);
  const problems = servers.filter(({ why }) => why !== "");
  const advice = strays > mended ? ["  --mend move or --mend remove takes them away"] : [];
  return [
    `pool ${pool}: ${seen} keys seen, ${found}`,
    ...formatTable(rows, []),
    ...problems.map(({ address, why }) => `  server ${address}: ${why}`),
    ...advice,
  ];
}
