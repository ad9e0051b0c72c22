import type { Finding, Rule } from './rule.ts'
import { list, short, verb } from './words.ts'

/** A service is called of which no instance is registered. */
export const unregistered: Rule = {
  name: 'unregistered',
  *find({ model }): Iterable<Finding> {
    if (!model.registry.isKnown || model.registry.staleSince !== undefined) return
    const registered = model.services.filter(({ isRegistered }) => isRegistered).map(({ service }) => service)
    for (const { service, isRegistered, calledBy, traffic } of model.services) {
      if (isRegistered || traffic.total === 0) continue
      const similar = registered.filter((name) => isSimilar(name, service))
      yield {
        key: service,
        severity: 'critical',
        about: { service },
        text: `${list(calledBy)} ${verb(calledBy.length, 'call')} ${short(service)}, of which no instance is registered`,
        evidence: [
          `${traffic.total} calls in the last minute, ${Math.round(traffic.failedShare * 100)} % of them failed`,
          ...(similar.length > 0 ? [`Registered under a similar name: ${list(similar)}`] : []),
        ],
        next:
          similar.length > 0
            ? 'Check the name in the code of the callers.'
            : 'Check whether it runs, and whether it registers in this registry and namespace.',
        afterMs: 5_000,
      }
    }
  },
}

/** Whether two names differ only in case, punctuation or a plural, or one begins with the other. */
function isSimilar(one: string, other: string): boolean {
  const [a, b] = [plain(one), plain(other)]
  return a === b || (Math.min(a.length, b.length) >= 4 && (a.startsWith(b) || b.startsWith(a)))
}

function plain(name: string): string {
  return name
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}]/gu, '')
    .replace(/s$/, '')
}
