import { masking } from '@sd/core'
import type { ProcessEvent } from '../protocol.ts'

/** Events that are kept for readers that come later. */
const maxEvents = 1_000
/** Events that are recorded in one second. The rest is only counted. */
const maxPerTick = 100
const longestText = 500

/** What happened, before it is numbered. */
export type NewEvent = Omit<ProcessEvent, 'id' | 'at'>

/** The last events of this process, in bounded memory. */
export class EventJournal {
  readonly #events: ProcessEvent[] = []
  readonly #followers: Set<(event: ProcessEvent) => void> = new Set()
  #lastId = 0
  #inTick = 0

  /** Adds an event. Beyond the limit of a second it is only counted. */
  add(event: NewEvent): void {
    if (++this.#inTick <= maxPerTick) this.#append(event)
  }

  /** A second has passed. */
  tick(): void {
    const dropped = this.#inTick - maxPerTick
    this.#inTick = 0
    if (dropped > 0) this.#append({ kind: 'change', severity: 'warning', text: `${dropped} more events in one second` })
  }

  /** Events after an id, oldest first. An id of an earlier process, which is higher than the last one, gets all. */
  after(id: number): readonly ProcessEvent[] {
    return id > this.#lastId ? this.#events : this.#events.filter((event) => event.id > id)
  }

  /** Calls `take` for each new event. @returns a function that ends it */
  follow(take: (event: ProcessEvent) => void): () => void {
    this.#followers.add(take)
    return () => void this.#followers.delete(take)
  }

  #append({ text, ...rest }: NewEvent): void {
    const masked = masking.text(text.slice(0, longestText))
    const event: ProcessEvent = { id: ++this.#lastId, at: Date.now(), ...rest, text: masked }
    this.#events.push(event)
    if (this.#events.length > maxEvents) this.#events.shift()
    for (const take of this.#followers) take(event)
  }
}
