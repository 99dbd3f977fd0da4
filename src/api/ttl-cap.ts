/** Requests as they are to be sent where what is written shall not last: for a gutter, see GutterNode. */
export interface TtlCap {
  /** @param request a whole request that may write; may be changed in place @returns what to send in its place */
  cap(request: Buffer): CappedRequest;
}

export interface CappedRequest {
  readonly request: Buffer;
  /** Not null: requests to be sent right behind it, whose replies are of no interest. */
  readonly follow: { readonly bytes: Buffer; readonly count: number } | null;
}
