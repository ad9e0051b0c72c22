/** What does not hold yet: invariant, fault and preset. To be empty. */
export const knownFailures: ReadonlySet<string> = new Set([
  'amplification | all refuse | defaults',
  'amplification | all refuse | defaults and outlier detection',
  'amplification | all refuse | resilient without retry',
  'amplification | all refuse | breaker only',
  'out | all dropped | defaults and outlier detection',
  'out | half hang | resilient without retry',
  'starved | half dropped | resilient without limit',
  'starved | one flaps: refuses | resilient without retry',
  'amplification | all removed and down | defaults',
  'amplification | all removed and down | defaults and outlier detection',
  'amplification | all removed and down | resilient without retry',
  'amplification | all removed and down | breaker only',
])
