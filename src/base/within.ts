/** A time limit for what has none of its own. */

/** The result, unless it takes longer than `timeoutMs`: then it is waited for no more. @throws Error "no answer within … ms" */
export async function within<Result>(work: Promise<Result>, timeoutMs: number): Promise<Result> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
  }
}
