import { inquire } from '@sd/core'
import type { EventJournal } from './event-journal.ts'

/** Compares the lifecycles of this process with those of a second ago: they publish no events. Changes within the second are not seen. */
export class LifecycleWatch {
  readonly #journal: EventJournal
  #before: readonly string[] = []

  constructor(journal: EventJournal) {
    this.#journal = journal
  }

  /** A second has passed. */
  tick(): void {
    const now = inquire('lifecycle')
    for (const [index, { state, registration }] of now.entries()) {
      if (this.#before[index] === state) continue
      const about = registration && { service: registration.service, instanceId: registration.instanceId }
      this.#journal.add({ kind: 'lifecycle', severity: 'info', text: `the server is ${state}`, ...about })
    }
    this.#before = now.map(({ state }) => state)
  }
}
