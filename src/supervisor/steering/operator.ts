/** Who has ordered something, as far as the supervisor can tell. */
export interface Operator {
  /** The user at the other end of the control socket; -1: it came otherwise. */
  readonly uid: number;
  /** From where it came otherwise: "admin port, 10.0.0.7:51814". Absent: over the control socket, or by a signal. */
  readonly by?: string;
}

/** As fields of a line of the log. */
export function fieldsOf({
  uid,
  by,
}: Operator): { readonly by: string } | { readonly uid: number } {
  return by === undefined ? { uid } : { by };
}

/** As it is kept with what was ordered. */
export function kept({ uid, by }: Operator): Operator {
  return by === undefined ? { uid } : { uid, by };
}
