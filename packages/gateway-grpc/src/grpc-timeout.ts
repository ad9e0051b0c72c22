const millisOf: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 }

/** Reads `grpc-timeout`, in milliseconds. @returns `undefined` if it is absent or not valid */
export function readTimeout(value: string | undefined): number | undefined {
  const [, digits, unit] = /^(\d{1,8})([HMSmun])$/.exec(value ?? '') ?? []
  return digits === undefined ? undefined : Number(digits) * (millisOf[unit as string] as number)
}

/** The value of `grpc-timeout`: at most eight digits and a unit. */
export function formatTimeout(remainingMs: number): string {
  const millis = Math.max(0, Math.floor(remainingMs))
  return millis < 100_000_000 ? `${millis}m` : `${Math.min(99_999_999, Math.floor(millis / 1_000))}S`
}
