import { constants } from 'node:os'

/** One lifecycle, as the shutdown of its process sees it. */
export interface ShutdownMember {
  /** Signals that end it. */
  readonly signals: readonly NodeJS.Signals[]
  /** Whether the process is to end once all of them have. */
  readonly exit: boolean
  /** Ends it, or waits for the end that is under way. @returns whether nothing went wrong */
  close(): Promise<boolean>
}

/** What is shared by all lifecycles of a process, also by those of another copy of this package. */
interface ShutdownGroup {
  readonly members: Set<ShutdownMember>
  readonly handlers: Map<NodeJS.Signals, () => void>
  /** Members that are ending, with how it went. */
  readonly ending: Map<ShutdownMember, Promise<boolean>>
  /** The first signal, when it came by `performance.now()`, and how many listeners it has now. */
  first: { readonly signal: NodeJS.Signals; readonly at: number; listeners: number } | undefined
  isEnding: boolean
}

/** A second signal that comes sooner belongs to the first: terminals and process managers send it to a whole group, and some parents pass it on. */
const oneSignalMs = 1_000

const key = Symbol.for('@sd/lifecycle/shutdown/v1')

function sharedGroup(): ShutdownGroup {
  const holder = globalThis as unknown as { [key]?: ShutdownGroup }
  holder[key] ??= { members: new Set(), handlers: new Map(), ending: new Map(), first: undefined, isEnding: false }
  return holder[key]
}

/** Lets signals end a lifecycle, together with all others of the process. @returns a function that takes it out, once it has ended */
export function joinShutdown(member: ShutdownMember): () => void {
  const group = sharedGroup()
  group.members.add(member)
  for (const signal of member.signals) {
    if (group.handlers.has(signal)) continue
    const handler = (): void => onSignal(group, signal)
    group.handlers.set(signal, handler)
    // Before others, so that those which listen once are still there to be counted.
    process.prependListener(signal, handler)
  }
  return () => {
    group.members.delete(member)
    if (!group.isEnding) removeUnusedHandlers(group)
  }
}

/** Notes that a lifecycle is ending, whoever asked for it: the process stays until it has. */
export function noteEnding(member: ShutdownMember, ended: Promise<boolean>): void {
  const group = sharedGroup()
  group.ending.set(member, ended)
  const forget = (): void => {
    if (!group.isEnding) group.ending.delete(member)
  }
  ended.then(forget, forget)
}

function onSignal(group: ShutdownGroup, signal: NodeJS.Signals): void {
  const { first } = group
  const listeners = process.listenerCount(signal)
  if (first) {
    // A framework that took the signal too has ended, removed its listener and raises the signal again: that is still the same one.
    const isRaisedAgain = signal === first.signal && listeners < first.listeners
    if (isRaisedAgain) first.listeners = listeners
    // To send it again, later, is to ask not to wait.
    else if (performance.now() - first.at > oneSignalMs) process.exit(128 + constants.signals[signal])
    return
  }
  group.first = { signal, at: performance.now(), listeners }
  const taking = [...group.members].filter(({ signals }) => signals.includes(signal))
  for (const member of taking) group.ending.set(member, member.close())
  if (!group.isEnding) void endAll(group)
}

async function endAll(group: ShutdownGroup): Promise<void> {
  group.isEnding = true
  const results = new Map<ShutdownMember, boolean>()
  // Others may begin to end while these do.
  while (results.size < group.ending.size) {
    for (const [member, ended] of [...group.ending]) results.set(member, await ended.catch(() => false))
  }
  group.isEnding = false
  group.ending.clear()
  group.first = undefined
  removeUnusedHandlers(group)
  if ([...results.keys()].some(({ exit }) => exit)) process.exit([...results.values()].every(Boolean) ? 0 : 1)
}

function removeUnusedHandlers(group: ShutdownGroup): void {
  for (const [signal, handler] of group.handlers) {
    if ([...group.members].some(({ signals }) => signals.includes(signal))) continue
    process.off(signal, handler)
    group.handlers.delete(signal)
  }
}
