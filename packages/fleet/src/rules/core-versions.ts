import { answering, type Finding, type Rule } from './rule.ts'
import { list, short } from './words.ts'

/** A process has several versions of `@sd/core`. */
export const coreVersions: Rule = {
  name: 'core-versions',
  *find(facts): Iterable<Finding> {
    for (const { processId, name, packages } of answering(facts)) {
      const versions = packages['@sd/core'] ?? []
      if (versions.length < 2) continue
      yield {
        key: processId,
        severity: 'info',
        about: { processId },
        text: `${short(name)} has ${versions.length} versions of @sd/core: ${list(versions)}`,
        evidence: ['They work together: events and states are those of all of them'],
        next: 'Update its dependencies so that one version is left.',
      }
    }
  },
}
