/** A value, or a function that is asked for it at every new login: for secrets that rotate. */
export type Provided<T> = T | (() => T | Promise<T>)

/** Returns `value` if it is a function, else what `check` makes of it. */
export function checkProvided<T>(value: Provided<T>, check: (value: unknown) => T): Provided<T> {
  return typeof value === 'function' ? value : check(value)
}

/** What a {@link Provided} value is now. */
export async function resolveProvided<T>(provided: Provided<T>): Promise<T> {
  return typeof provided === 'function' ? (provided as () => T | Promise<T>)() : provided
}
