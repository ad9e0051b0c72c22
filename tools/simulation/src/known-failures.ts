/** What does not hold yet: invariant, fault and preset. To be empty. */
export const knownFailures: ReadonlySet<string> = new Set([])
