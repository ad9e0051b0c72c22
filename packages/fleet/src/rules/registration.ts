import { atReader, type Finding, type Rule, statesOf } from './rule.ts'
import { short } from './words.ts'

/** A registration of a process is not active. */
export const registration: Rule = {
  name: 'registration',
  *find(facts): Iterable<Finding> {
    for (const { process, state } of statesOf(facts, 'registration')) {
      if (state.state !== 'recovering' && state.state !== 'failed') continue
      const { registry, service, instanceId, lastError, since } = state
      const isFailed = state.state === 'failed'
      yield {
        key: `${process.processId}/${registry}/${service}/${instanceId}`,
        severity: isFailed ? 'critical' : 'warning',
        about: { service, instanceId, processId: process.processId },
        text: isFailed
          ? `${short(registry)} refuses to register ${short(instanceId)} of ${short(service)}`
          : `${short(instanceId)} of ${short(service)} is not registered in ${short(registry)} at the moment`,
        evidence: lastError ? [lastError.message] : [],
        next: isFailed
          ? 'It is not tried again. Correct the cause, and restart the process.'
          : 'The process tries again by itself. Check whether it can reach the registry.',
        since: atReader(process, since),
        afterMs: isFailed ? 0 : 10_000,
      }
    }
  },
}
