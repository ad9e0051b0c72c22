import type { Finding, Rule } from './rule.ts'
import { short } from './words.ts'

/** Two processes have one id, or are the same instance. */
export const duplicate: Rule = {
  name: 'duplicate',
  *find({ clashes }): Iterable<Finding> {
    for (const { processId, instance, addresses } of clashes) {
      const [one, two] = addresses.toSorted()
      yield {
        key: processId ?? `${instance?.service}/${instance?.instanceId}`,
        severity: 'critical',
        about: { processId, ...instance },
        text: instance
          ? `Two processes are ${short(instance.instanceId)} of ${short(instance.service)}`
          : `Two processes have the id ${short(processId ?? '')}`,
        evidence: [`Their admin endpoints: ${one} and ${two}`],
        next: instance
          ? 'Each overwrites the registration of the other. Give every instance an id of its own.'
          : 'They can be told apart by their address only. Let each process make its own id.',
      }
    }
  },
}
