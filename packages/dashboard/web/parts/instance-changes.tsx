import type { FleetInstance, FleetProcess } from '@sd/fleet'
import type { JSX } from 'preact'
import { session } from '../data/state.ts'
import { Text } from './basics.tsx'
import { ChangeButton } from './dialog.tsx'

/** Takes the instances of a process out of traffic, and back. Only a process that answers can do it. */
export function DrainButtons({
  process: { processId, name, state, controls },
  health,
}: {
  readonly process: FleetProcess
  /** Health of the instance; without it, both buttons are shown. */
  readonly health?: FleetInstance['health'] | undefined
}): JSX.Element | null {
  if (!session.value?.canWrite || state !== 'answers' || !controls.includes('draining')) return null
  return (
    <>
      {health !== 'draining' && (
        <ChangeButton label="Drain" title={`Drain ${name}`} draft={{ action: 'draining', processId, draining: true }}>
          <p>Its instances are registered as draining: callers stop to send new calls. Calls in progress end.</p>
        </ChangeButton>
      )}
      {(health === undefined || health === 'draining') && (
        <ChangeButton label="Undrain" title={`Undrain ${name}`} draft={{ action: 'draining', processId, draining: false }}>
          <p>Its instances get the health that they had before: callers send new calls again.</p>
        </ChangeButton>
      )}
    </>
  )
}

/** Removes an instance from the registry. A process that answers would register it again, so it is offered only if it does not. */
export function DeregisterButton({
  service,
  instanceId,
  process,
}: {
  readonly service: string
  readonly instanceId: string
  readonly process: FleetProcess | undefined
}): JSX.Element | null {
  if (!session.value?.canDeregister || process?.state === 'answers') return null
  return (
    <ChangeButton label="Deregister" title={`Deregister ${instanceId}`} draft={{ action: 'deregister', service, instanceId }}>
      <p>
        <Text of={instanceId} longest={80} /> is removed from the registry: callers leave it at once, not only when its lease
        ends. A process that runs again registers it again.
      </p>
    </ChangeButton>
  )
}
