import type { ClientOrder, ClientQuery, ClientReport, ClientRow } from "../../api/inspection.ts";

/** Joins the parts of workers. */
export function joinClients(
  parts: readonly ClientReport[],
  { order, limit }: Pick<ClientQuery, "order" | "limit">,
): ClientReport {
  const rows = parts.flatMap((part) => part.rows);
  const value = CLIENT_ORDER_VALUES[order];
  rows.sort((a, b) => value(b) - value(a) || a.id - b.id);
  return {
    total: parts.reduce((sum, { total }) => sum + total, 0),
    matching: parts.reduce((sum, { matching }) => sum + matching, 0),
    rows: rows.filter((_, index) => index < limit),
  };
}

const CLIENT_ORDER_VALUES: Readonly<Record<ClientOrder, (row: ClientRow) => number>> = {
  requests: ({ requests }) => requests,
  received: ({ received }) => received,
  sent: ({ sent }) => sent,
  pending: ({ pending }) => pending,
  owed: ({ owed }) => owed,
  age: ({ ageMs }) => ageMs,
  idle: ({ idleMs }) => idleMs,
  wait: ({ waitMs = 0 }) => waitMs,
};
