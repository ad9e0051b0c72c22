/** A value, or a function that returns it at every login; for secrets that rotate. */
export type Provided<T> = T | (() => T | Promise<T>)

/** Returns `value` if it is a function; otherwise the result of `check`. */
export function checkProvided<T>(value: Provided<T>, check: (value: unknown) => T): Provided<T> {
  return typeof value === 'function' ? value : check(value)
}

/** Returns the current value of a {@link Provided}. */
export async function resolveProvided<T>(provided: Provided<T>): Promise<T> {
  return typeof provided === 'function' ? (provided as () => T | Promise<T>)() : provided
}
