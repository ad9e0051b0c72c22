import { answering, atReader, earliest, type Finding, type Rule } from './rule.ts'
import { groupBy, many, processes, short } from './words.ts'

/** An alert fires that is not silenced. */
export const alertFiring: Rule = {
  name: 'alert',
  *find(facts): Iterable<Finding> {
    const firing = answering(facts).flatMap((process) =>
      process.alerts.flatMap(({ alerts }) =>
        alerts.filter(({ state, isSilenced }) => state === 'firing' && !isSilenced).map((alert) => ({ process, alert })),
      ),
    )
    for (const [key, found] of groupBy(firing, ({ alert }) => `${alert.rule}/${describeLabels(alert.labels)}`)) {
      const [{ alert }] = found as [(typeof found)[number]]
      const { service } = alert.labels
      const labels = describeLabels(alert.labels)
      yield {
        key,
        severity: alert.severity === 'critical' || alert.severity === 'info' ? alert.severity : 'warning',
        about: { rule: alert.rule, service: typeof service === 'string' && facts.services.has(service) ? service : undefined },
        text: `Alert ${short(alert.rule)}${labels === '' ? '' : ` {${labels}}`} fires in ${processes(found.map(({ process }) => process))}`,
        evidence: found
          .slice(0, 5)
          .map(
            ({ process, alert: { value, condition, threshold } }) =>
              `${short(process.name)}: ${value ?? 'no value'} ${condition}${threshold === undefined ? '' : ` ${threshold}`}`,
          ),
        next: 'Look at the service that it names. A silence stops its notifications.',
        since: earliest(found.map(({ process, alert: { firingAt } }) => atReader(process, firingAt))),
      }
    }
  },
}

function describeLabels(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .slice(0, 5)
    .map(([name, value]) => `${name}=${short(value)}`)
    .join(', ')
}

/** A channel can't deliver notifications. */
export const alertChannel: Rule = {
  name: 'alert-channel',
  *find(facts): Iterable<Finding> {
    const failing = answering(facts).flatMap((process) =>
      process.alerts.flatMap(({ channels }) =>
        channels.filter(({ failed, waiting }) => failed > 0 && waiting > 0).map((channel) => ({ process, channel })),
      ),
    )
    for (const [name, found] of groupBy(failing, ({ channel }) => channel.name)) {
      yield {
        key: name,
        severity: 'critical',
        about: found.length === 1 ? { processId: found[0]?.process.processId } : {},
        text: `The channel ${short(name)} of ${processes(found.map(({ process }) => process))} does not deliver alerts`,
        evidence: found
          .slice(0, 5)
          .map(
            ({ process, channel: { failed, waiting, dropped } }) =>
              `${short(process.name)}: ${many(failed, 'failure')}, ${waiting} waiting, ${dropped} dropped`,
          ),
        next: 'No one is notified by it. Look at the errors of the process, and at the address and credentials of the channel.',
      }
    }
  },
}
