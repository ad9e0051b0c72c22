import { checkBoolean, checkName, type HealthSpec, type Registration } from '@sd/core'
import type { AdminControls } from '../controls.ts'
import { type ChangeRoute, checkBody, notFound } from './change.ts'

/** Health before the instance was set to draining. */
const healthBefore = new WeakMap<Registration, HealthSpec>()

/**
 * `POST /draining`: sets instances of this process to draining, so that callers leave them, and back. The process goes on
 * serving.
 */
export const drainingRoute: ChangeRoute = {
  path: ['draining'],
  control: 'draining',
  action: 'registration.draining',
  prepare({ controls, body, reason }) {
    checkBody(body, ['draining', 'service', 'instanceId'])
    const draining = checkBoolean('body.draining', body['draining'])
    const [service, instanceId] = ['service', 'instanceId'].map((name) =>
      body[name] === undefined ? undefined : checkName(`body.${name}`, body[name]),
    )
    const chosen = readRegistrations(controls).filter(
      ({ instance }) => (service ?? instance.service) === instance.service && (instanceId ?? instance.id) === instance.id,
    )
    if (chosen.length === 0) throw notFound(`An instance ${[service, instanceId].filter((part) => part !== undefined).join('/')}`)
    return {
      target: chosen.map(({ instance }) => `${instance.service}/${instance.id}`).join(', '),
      before: readStatuses(chosen),
      async run(options) {
        for (const registration of chosen) {
          const { health } = registration.instance
          if ((health.status === 'draining') === draining) continue
          if (draining) healthBefore.set(registration, health)
          const next = draining ? { status: 'draining' as const, message: reason } : (healthBefore.get(registration) ?? 'healthy')
          await registration.update({ health: next }, options)
        }
        return readStatuses(chosen)
      },
    }
  },
}

function readRegistrations({ registrations = [] }: AdminControls): readonly Registration[] {
  const all = typeof registrations === 'function' ? registrations() : registrations
  return all.filter(({ state }) => state !== 'closed')
}

function readStatuses(registrations: readonly Registration[]): Readonly<Record<string, string>> {
  return Object.fromEntries(registrations.map(({ instance }) => [`${instance.service}/${instance.id}`, instance.health.status]))
}
