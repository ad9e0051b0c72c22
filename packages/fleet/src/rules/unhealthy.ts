import type { FleetProcess } from '../model.ts'
import type { Finding, Rule } from './rule.ts'
import { many, quoted, short } from './words.ts'

/** An instance is unhealthy for longer than a minute. */
export const unhealthy: Rule = {
  name: 'unhealthy',
  *find({ model, processes }): Iterable<Finding> {
    for (const { service, instances } of model.services) {
      const healthy = instances.filter(({ health }) => health === 'healthy' || health === 'unknown').length
      for (const { instanceId, health, healthMessage, healthSince, processId } of instances) {
        if (health !== 'unhealthy') continue
        yield {
          key: `${service}/${instanceId}`,
          severity: healthy === 0 ? 'critical' : 'warning',
          about: { service, instanceId, processId },
          text: `${short(instanceId)} of ${short(service)} is unhealthy${quoted(healthMessage)}`,
          evidence: [
            `${healthy} of ${many(instances.length, 'instance')} of ${short(service)} ${healthy === 1 ? 'is' : 'are'} healthy`,
            ...failingChecks(processId === undefined ? undefined : processes.get(processId)),
          ],
          next: 'Look at the failing checks of the instance. It gets no traffic while it is unhealthy.',
          since: healthSince,
          afterMs: 60_000,
        }
      }
    }
  },
}

function failingChecks(process: FleetProcess | undefined): readonly string[] {
  return (process?.health ?? [])
    .flatMap(({ checks }) => checks)
    .filter(({ status }) => status === 'unhealthy')
    .slice(0, 5)
    .map(({ check, error }) => `Check ${short(check)} fails${quoted(error?.message)}`)
}
