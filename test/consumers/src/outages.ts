import type { FaultContext, RegistrySubject } from '@sd/test-faults'

/** Duration of the long outages of `pnpm test:faults`, in minutes. */
export const outageMinutes: number = Number(process.env['SD_OUTAGE_MINUTES'] ?? 10)

/** How a registry is unreachable, as the end of "no call fails in ten minutes". */
export type OutageKind = 'without the server' | 'until the server starts empty' | 'of a paused server' | 'in a black hole'

/** An outage that begins and ends. */
interface Outage {
  readonly begin: (context: FaultContext<RegistrySubject>) => Promise<unknown>
  readonly end: (context: FaultContext<RegistrySubject>) => Promise<unknown>
}

/** The long outages. */
export const outages: Readonly<Record<OutageKind, Outage>> = {
  'without the server': { begin: ({ target }) => target.server.kill(), end: ({ target }) => target.server.start() },
  'until the server starts empty': {
    begin: ({ target }) => target.server.kill(),
    end: ({ target }) => target.server.restartEmpty(),
  },
  'of a paused server': { begin: ({ target }) => target.server.pause(), end: ({ target }) => target.server.resume() },
  'in a black hole': { begin: ({ link }) => link.blackHole(), end: ({ link }) => link.restore() },
}
