import { answering, atReader, type Finding, type Rule } from './rule.ts'
import { short } from './words.ts'

/** A gateway refused its newest table of routes. */
export const gatewayRefused: Rule = {
  name: 'gateway-refused',
  *find(facts): Iterable<Finding> {
    for (const process of answering(facts)) {
      for (const { gateway, refused, version } of process.gateways) {
        if (!refused) continue
        yield {
          key: `${process.processId}/${gateway}`,
          severity: 'critical',
          about: { gateway, processId: process.processId },
          text: `Gateway ${short(gateway)} in ${short(process.name)} refused its newest document`,
          evidence: [refused.error.message, `Version ${version} stays in effect`],
          next: 'Correct the document. The gateway reads it again when it changes.',
          since: atReader(process, refused.at),
        }
      }
    }
  },
}
