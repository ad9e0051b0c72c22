import { type ConnectionState, checkFunction, guardListener, publishTelemetry, type SdError } from '@sd/core'
import { createMember, type Member } from './member.ts'
import type { ResolvedFailoverSettings } from './options.ts'
import { createSelection } from './selection.ts'
import type { FailoverStatus, MemberStatus } from './status.ts'

/** The members, and which of them are used now. */
export interface MemberPool {
  /** What counts now. */
  readonly settings: ResolvedFailoverSettings
  /** All members, the best first. */
  readonly members: readonly Member[]
  /** Those that are read now, the best first; none until the first choice. */
  readonly reading: readonly Member[]
  /** Those that hold registrations now, the best first; none until the first choice. */
  readonly writing: readonly Member[]
  /** How the whole is. */
  readonly state: ConnectionState
  /** Why no member that is read answers. */
  readonly error: SdError | undefined
  /** How every member is. */
  status(): FailoverStatus
  /** Resolves once it is chosen which members are used. */
  settled(): Promise<void>
  /** Calls `listener` when other members are read or written than before. */
  onMove(listener: () => void): void
  /** Calls `listener` when the status says something else than before, until the returned function is called. */
  onChange(listener: (status: FailoverStatus) => void): () => void
  /** Takes over new settings and chooses afresh. Returns the members that are no longer among them. */
  reconfigure(settings: ResolvedFailoverSettings): readonly Member[]
  /** Ends the pings. */
  close(): void
}

/** Starts to ping the members and decides, after every ping, which are used. */
export function createMemberPool(name: string, initial: ResolvedFailoverSettings): MemberPool {
  const reader = createSelection()
  const writer = createSelection()
  const moveListeners = new Set<() => void>()
  const changeListeners = new Set<(status: FailoverStatus) => void>()
  let settings = initial
  let members: readonly Member[] = []
  let reading: readonly Member[] = []
  let writing: readonly Member[] = []
  let settling = Promise.withResolvers<void>()
  let closed = false
  let lastState: ConnectionState = 'disconnected'
  let lastStatus = ''
  members = settings.members.map(open)
  decide()

  function open(member: ResolvedFailoverSettings['members'][number]): Member {
    return createMember({ settings: member, timing: () => settings, onProbe: decide })
  }

  function currentState(): ConnectionState {
    if (closed) return 'closed'
    return reading.some(({ health }) => health.state === 'healthy') ? 'connected' : 'disconnected'
  }

  function decide(): void {
    const before = [reading, writing]
    const readable = members.filter((member) => member.settings.read)
    const writable = members.filter((member) => member.settings.registry)
    reading = settings.mode === 'migration' ? readable : choose(reader, readable, reading)
    writing = settings.writeTo === 'all' ? writable : choose(writer, writable, writing)
    if (isSettled(writable)) settling.resolve()
    const isSame = [reading, writing].every((now, index) => sameMembers(now, before[index]))
    if (!isSame) for (const tell of moveListeners) tell()
    announce()
  }

  /** The chosen one as a list; what was used before while none is chosen. */
  function choose(
    selection: ReturnType<typeof createSelection>,
    candidates: readonly Member[],
    before: readonly Member[],
  ): readonly Member[] {
    selection.choose(candidates, settings)
    return selection.settled && selection.current ? [selection.current] : before
  }

  function isSettled(writable: readonly Member[]): boolean {
    const needsReader = settings.mode === 'priority'
    const needsWriter = settings.writeTo === 'active' && writable.length > 0
    return (!needsReader || reader.settled) && (!needsWriter || writer.settled)
  }

  function announce(): void {
    const status = describe()
    if (status.state !== lastState) {
      lastState = status.state
      publishTelemetry('sd:v1:backend:state', { backend: name, state: status.state, error: firstError() })
    }
    const { mode, state } = status
    const fingerprint = JSON.stringify([mode, state, status.members.map(({ lastError: _, ...rest }) => rest)])
    if (fingerprint === lastStatus) return
    lastStatus = fingerprint
    // Later, so that a listener that reconfigures does not do so in the middle of a switch.
    for (const tell of changeListeners) queueMicrotask(() => tell(status))
  }

  function firstError(): SdError | undefined {
    return currentState() === 'disconnected' ? reading.find(({ health }) => health.error)?.health.error : undefined
  }

  function describe(): FailoverStatus {
    return {
      mode: settings.mode,
      state: currentState(),
      members: members.map((member) => describeMember(member, reading.includes(member), writing.includes(member))),
    }
  }

  return {
    get settings() {
      return settings
    },
    get members() {
      return members
    },
    get reading() {
      return reading
    },
    get writing() {
      return writing
    },
    get state() {
      return currentState()
    },
    get error() {
      return firstError()
    },
    status: describe,
    settled: () => settling.promise,
    onMove(listener) {
      moveListeners.add(guardListener(`${name}'s own listener`, listener))
    },
    onChange(listener) {
      const own = guardListener(`listener of ${name}`, checkFunction('listener', listener))
      changeListeners.add(own)
      return () => changeListeners.delete(own)
    },
    reconfigure(next) {
      const before = members
      settings = next
      members = next.members.map((member) => {
        const kept = before.find((one) => one.settings.source === member.source)
        if (!kept) return open(member)
        kept.settings = member
        return kept
      })
      const removed = before.filter((member) => !members.includes(member))
      for (const member of removed) member.stop()
      reader.restart()
      writer.restart()
      settling.resolve()
      settling = Promise.withResolvers()
      decide()
      return removed
    },
    close() {
      closed = true
      for (const member of members) member.stop()
      settling.resolve()
      announce()
    },
  }
}

function describeMember({ settings, health }: Member, active: boolean, registers: boolean): MemberStatus {
  return {
    name: settings.name,
    state: health.state,
    ...(health.state === 'healthy' && { healthySince: health.since }),
    ...(health.state === 'away' && { awaySince: health.since }),
    ...(health.error && { lastError: health.error }),
    active,
    registers,
  }
}

function sameMembers(a: readonly Member[], b: readonly Member[] | undefined): boolean {
  return a.length === b?.length && a.every((member, index) => member === b[index])
}
