import { createCockatielBreaker } from '@sd/breaker-cockatiel'
import { createOpossumBreaker } from '@sd/breaker-opossum'
import type { CircuitBreaker, CircuitBreakerOptions, Outcome } from '@sd/core'
import { retry } from '@sd/retry'
import {
  CountBreaker,
  circuitBreaker,
  retry as cockatielRetry,
  ExponentialBackoff,
  handleAll,
  type IBreaker,
  type IPolicy,
  SamplingBreaker,
  wrap,
} from 'cockatiel'
import Opossum from 'opossum'
import { type Contender, measurePaired } from './paired.ts'
import { type Finding, formatRatio, judgeRatio } from './report.ts'

const callsPerSlice = 100_000
const rounds = 41

const overLastCalls = { window: { kind: 'count', size: 100 } } satisfies CircuitBreakerOptions
const overLastTime = { window: { kind: 'time', durationMs: 10_000 } } satisfies CircuitBreakerOptions
const success: Outcome = { ok: true }

async function work(): Promise<string> {
  return 'done'
}

/** CPU time of this process per call in nanoseconds. Calls are sequential. */
function perCall(name: string, call: () => Promise<string>): Contender {
  return timed(name, async () => {
    for (let index = 0; index < callsPerSlice; index++) {
      if ((await call()) !== 'done') throw new Error(`${name} returned a wrong response: the run is invalid`)
    }
  })
}

/** CPU time of this process per permit in nanoseconds, acquired and settled. */
function perPermit(name: string, breaker: CircuitBreaker): Contender {
  return timed(name, () => {
    for (let index = 0; index < callsPerSlice; index++) {
      const permit = breaker.tryAcquire()
      if (!permit) throw new Error(`${name} rejected a call: the run is invalid`)
      permit.settle(success)
    }
  })
}

function timed(name: string, run: () => Promise<void> | void): Contender {
  return {
    name,
    async slice() {
      const before = process.cpuUsage()
      await run()
      const { user, system } = process.cpuUsage(before)
      return ((user + system) * 1_000) / callsPerSlice
    },
  }
}

/** Plain opossum, without the features that our breaker does not use: timeout and percentiles. */
function bareOpossum(): Contender {
  const circuit = new Opossum(work, {
    timeout: false,
    rollingPercentilesEnabled: false,
    rollingCountTimeout: overLastTime.window.durationMs,
    volumeThreshold: 100,
    errorThresholdPercentage: 50,
    resetTimeout: 60_000,
  })
  return perCall('opossum', () => circuit.fire())
}

function cockatielCircuit(breaker: IBreaker): IPolicy {
  return circuitBreaker(handleAll, { halfOpenAfter: 60_000, breaker })
}

function bareCockatiel(breaker: IBreaker): Contender {
  const policy = cockatielCircuit(breaker)
  return perCall('cockatiel', () => policy.execute(work))
}

/** Measures the cost of our breakers relative to the wrapped libraries, in a closed circuit. */
export async function benchBreakers(): Promise<readonly Finding[]> {
  const countBreaker = (): IBreaker => new CountBreaker({ threshold: 0.5, size: overLastCalls.window.size })
  const samplingBreaker = (): IBreaker => new SamplingBreaker({ threshold: 0.5, duration: overLastTime.window.durationMs })
  const families = [
    { name: 'opossum, calls of 10 s', bare: bareOpossum(), create: () => createOpossumBreaker(overLastTime) },
    {
      name: 'cockatiel, last 100 calls',
      bare: bareCockatiel(countBreaker()),
      create: () => createCockatielBreaker(overLastCalls),
    },
    {
      name: 'cockatiel, calls of 10 s',
      bare: bareCockatiel(samplingBreaker()),
      create: () => createCockatielBreaker(overLastTime),
    },
  ]
  const findings: Finding[] = []
  async function compare(baseline: Contender, contenders: readonly Contender[]): Promise<void> {
    const [bare, ...results] = await measurePaired([baseline, ...contenders], rounds)
    for (const result of results) {
      findings.push({
        subject: result.name,
        measured: `${formatRatio(result)}, ${result.cost.toFixed(0)} ns against ${bare?.cost.toFixed(0)}`,
        ...judgeRatio(result, 1.2),
      })
    }
  }
  for (const { name, bare, create } of families) {
    const breaker = create()
    await compare(bare, [
      perCall(`execute of our breaker against bare ${name}`, () => breaker.execute(work)),
      perPermit(`permit of our breaker against a call through bare ${name}`, create()),
    ])
  }
  const breaker = createCockatielBreaker(overLastCalls)
  const peer = wrap(
    cockatielRetry(handleAll, { maxAttempts: 2, backoff: new ExponentialBackoff() }),
    cockatielCircuit(countBreaker()),
  )
  const attempt = (): Promise<string> => breaker.execute(work)
  await compare(
    perCall('cockatiel', () => peer.execute(work)),
    [perCall('retry around our breaker against cockatiel `wrap(retry, breaker)`', () => retry(attempt, { maxAttempts: 3 }))],
  )
  return findings
}
