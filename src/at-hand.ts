/** Results that are mostly at hand. A step of which there are thousands costs a promise only when it has to wait. */

export type AtHand<T> = T | Promise<T>

/** Calls `next` with the value, at once if it is at hand. */
export function andThen<T, R>(value: AtHand<T>, next: (value: T) => AtHand<R>): AtHand<R> {
  return value instanceof Promise ? value.then(next) : next(value)
}

/** Calls `work`. Returns what `recover` makes of its error, whether it throws or its promise rejects. */
export function orElse<T>(work: () => AtHand<T>, recover: (error: unknown) => AtHand<T>): AtHand<T> {
  try {
    const result = work()
    return result instanceof Promise ? result.catch(recover) : result
  } catch (error) {
    return recover(error)
  }
}
