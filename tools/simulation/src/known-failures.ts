/** What does not hold yet: invariant, fault and preset. To be empty. */
export const knownFailures: ReadonlySet<string> = new Set([
  'out | half hang | resilient without retry',
  'starved | half dropped | resilient without limit',
  'starved | one flaps: refuses | resilient without retry',
])
