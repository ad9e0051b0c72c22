import { createConsistentHashBalancer } from '@sd/balancer-consistent-hash'
import { createLeastActiveBalancer } from '@sd/balancer-least-active'
import { createP2cBalancer } from '@sd/balancer-p2c'
import { createRandomBalancer } from '@sd/balancer-random'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import { createWeightedRoundRobinBalancer } from '@sd/balancer-weighted-round-robin'
import { createCockatielBreaker } from '@sd/breaker-cockatiel'
import type { SettingsParts } from '@sd/client'
import { createAdaptiveLimit, createBulkhead } from '@sd/concurrency-limit'
import { createHedgePolicy } from '@sd/hedge'
import { createOutlierDetection } from '@sd/outlier-detection'
import { createMemoryRateLimiter } from '@sd/rate-limit-memory'
import { createRetryPolicy } from '@sd/retry'

/** Policies and balancers that a document may use. */
export const parts: SettingsParts = {
  balancers: {
    p2c: createP2cBalancer,
    'round-robin': createRoundRobinBalancer,
    'weighted-round-robin': createWeightedRoundRobinBalancer,
    'least-active': createLeastActiveBalancer,
    'consistent-hash': createConsistentHashBalancer,
    random: createRandomBalancer,
  },
  breaker: createCockatielBreaker,
  retry: createRetryPolicy,
  hedge: createHedgePolicy,
  concurrencyLimits: { adaptive: createAdaptiveLimit, bulkhead: createBulkhead },
  rateLimiter: createMemoryRateLimiter,
  outlierDetection: createOutlierDetection,
}
