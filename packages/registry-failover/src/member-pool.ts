import { type ConnectionState, checkFunction, guardListener, publishTelemetry, type SdError } from '@sd/core'
import { createMember, type Member } from './member.ts'
import type { ResolvedFailoverSettings } from './options.ts'
import { createSelection } from './selection.ts'
import type { FailoverStatus, MemberStatus } from './status.ts'

/** The members, and which of them are in use. */
export interface MemberPool {
  /** Current settings. */
  readonly settings: ResolvedFailoverSettings
  /** All members, the best first. */
  readonly members: readonly Member[]
  /** Members that are read now, the best first; empty until the first selection. */
  readonly reading: readonly Member[]
  /** Members that hold registrations now, the best first; empty until the first selection. */
  readonly writing: readonly Member[]
  /** Connection state of the members that are read. */
  readonly state: ConnectionState
  /** Why no member that is read responds. */
  readonly error: SdError | undefined
  /** Returns the state of every member. */
  status(): FailoverStatus
  /** Resolves once members are selected. */
  settled(): Promise<void>
  /** Calls `listener` when the members that are read or written change. */
  onMove(listener: () => void): void
  /** Calls `listener` when the status changes, until the returned function is called. */
  onChange(listener: (status: FailoverStatus) => void): () => void
  /** Applies new settings and selects members again. Returns the members that were removed. */
  reconfigure(settings: ResolvedFailoverSettings): readonly Member[]
  /** Stops the pings. */
  close(): void
}

/** Creates a pool. It pings the members and selects those in use after every ping. */
export function createMemberPool(name: string, initial: ResolvedFailoverSettings): MemberPool {
  return new RankedMembers(name, initial)
}

class RankedMembers implements MemberPool {
  settings: ResolvedFailoverSettings
  members: readonly Member[] = []
  reading: readonly Member[] = []
  writing: readonly Member[] = []
  readonly #name: string
  readonly #reader = createSelection()
  readonly #writer = createSelection()
  readonly #moveListeners = new Set<() => void>()
  readonly #changeListeners = new Set<(status: FailoverStatus) => void>()
  #settling = Promise.withResolvers<void>()
  #closed = false
  #lastState: ConnectionState = 'disconnected'
  #lastStatus = ''

  constructor(name: string, initial: ResolvedFailoverSettings) {
    this.#name = name
    this.settings = initial
    this.members = initial.members.map((member) => this.#open(member))
    this.#decide()
  }

  get state(): ConnectionState {
    return this.#currentState()
  }

  get error(): SdError | undefined {
    return this.#firstError()
  }

  status(): FailoverStatus {
    return this.#describe()
  }

  settled(): Promise<void> {
    return this.#settling.promise
  }

  onMove(listener: () => void): void {
    this.#moveListeners.add(guardListener(`${this.#name}'s own listener`, listener))
  }

  onChange(listener: (status: FailoverStatus) => void): () => void {
    const own = guardListener(`listener of ${this.#name}`, checkFunction('listener', listener))
    this.#changeListeners.add(own)
    return () => this.#changeListeners.delete(own)
  }

  reconfigure(next: ResolvedFailoverSettings): readonly Member[] {
    const before = this.members
    this.settings = next
    this.members = next.members.map((member) => {
      const kept = before.find((one) => one.settings.source === member.source)
      if (!kept) return this.#open(member)
      kept.settings = member
      return kept
    })
    const removed = before.filter((member) => !this.members.includes(member))
    for (const member of removed) member.stop()
    this.#reader.restart()
    this.#writer.restart()
    this.#settling.resolve()
    this.#settling = Promise.withResolvers()
    this.#decide()
    return removed
  }

  close(): void {
    this.#closed = true
    for (const member of this.members) member.stop()
    this.#settling.resolve()
    this.#announce()
  }

  #open(member: ResolvedFailoverSettings['members'][number]): Member {
    return createMember({ settings: member, timing: () => this.settings, onProbe: () => this.#decide() })
  }

  #currentState(): ConnectionState {
    if (this.#closed) return 'closed'
    return this.reading.some(({ health }) => health.state === 'healthy') ? 'connected' : 'disconnected'
  }

  #decide(): void {
    const before = [this.reading, this.writing]
    const readable = this.members.filter((member) => member.settings.read)
    const writable = this.members.filter((member) => member.settings.registry)
    this.reading = this.settings.mode === 'migration' ? readable : this.#choose(this.#reader, readable, this.reading)
    this.writing = this.settings.writeTo === 'all' ? writable : this.#choose(this.#writer, writable, this.writing)
    if (this.#isSettled(writable)) this.#settling.resolve()
    const isSame = [this.reading, this.writing].every((now, index) => sameMembers(now, before[index]))
    if (!isSame) for (const notify of this.#moveListeners) notify()
    this.#announce()
  }

  /** Returns the selected member as a list, or the previous list while none is selected. */
  #choose(
    selection: ReturnType<typeof createSelection>,
    candidates: readonly Member[],
    before: readonly Member[],
  ): readonly Member[] {
    selection.choose(candidates, this.settings)
    return selection.settled && selection.current ? [selection.current] : before
  }

  #isSettled(writable: readonly Member[]): boolean {
    const needsReader = this.settings.mode === 'priority'
    const needsWriter = this.settings.writeTo === 'active' && writable.length > 0
    return (!needsReader || this.#reader.settled) && (!needsWriter || this.#writer.settled)
  }

  #announce(): void {
    const status = this.#describe()
    if (status.state !== this.#lastState) {
      this.#lastState = status.state
      publishTelemetry('sd:v1:backend:state', { backend: this.#name, state: status.state, error: this.#firstError() })
    }
    const { mode, state } = status
    const fingerprint = JSON.stringify([mode, state, status.members.map(({ lastError: _, ...rest }) => rest)])
    if (fingerprint === this.#lastStatus) return
    this.#lastStatus = fingerprint
    // Deferred, so that a listener that reconfigures does not do so in the middle of a switch.
    for (const notify of this.#changeListeners) queueMicrotask(() => notify(status))
  }

  #firstError(): SdError | undefined {
    return this.#currentState() === 'disconnected' ? this.reading.find(({ health }) => health.error)?.health.error : undefined
  }

  #describe(): FailoverStatus {
    return {
      mode: this.settings.mode,
      state: this.#currentState(),
      members: this.members.map((member) => describeMember(member, this.reading.includes(member), this.writing.includes(member))),
    }
  }
}

function describeMember({ settings, health }: Member, active: boolean, registers: boolean): MemberStatus {
  return {
    name: settings.name,
    state: health.state,
    ...(health.state === 'healthy' && { healthySince: health.since }),
    ...(health.state === 'unreachable' && { unreachableSince: health.since }),
    ...(health.error && { lastError: health.error }),
    active,
    registers,
  }
}

function sameMembers(a: readonly Member[], b: readonly Member[] | undefined): boolean {
  return a.length === b?.length && a.every((member, index) => member === b[index])
}
