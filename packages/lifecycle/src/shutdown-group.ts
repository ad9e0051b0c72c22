import { constants } from 'node:os'

/** One lifecycle in the shutdown of its process. */
export interface ShutdownMember {
  /** Signals that end it. */
  readonly signals: readonly NodeJS.Signals[]
  /** Whether to exit once all members have ended. */
  readonly exit: boolean
  /** Ends the lifecycle, or waits for the end in progress. @returns whether there were no errors */
  close(): Promise<boolean>
}

/** State shared by all lifecycles of a process, including those of another copy of this package. */
interface ShutdownGroup {
  readonly members: Set<ShutdownMember>
  readonly handlers: Map<NodeJS.Signals, () => void>
  /** Members that are ending, with their results. */
  readonly ending: Map<ShutdownMember, Promise<boolean>>
  /** The first signal, its time by `performance.now()`, and the current number of its listeners. */
  first: { readonly signal: NodeJS.Signals; readonly at: number; listeners: number } | undefined
  isEnding: boolean
}

/**
 * The same signal within this time is the first one again: terminals and process managers signal a whole group, and some
 * parents forward it.
 */
const oneSignalMs = 1_000

const key = Symbol.for('@sd/lifecycle/shutdown/v1')

function sharedGroup(): ShutdownGroup {
  const holder = globalThis as unknown as { [key]?: ShutdownGroup }
  holder[key] ??= { members: new Set(), handlers: new Map(), ending: new Map(), first: undefined, isEnding: false }
  return holder[key]
}

/**
 * Lets signals end a lifecycle, together with all others of the process.
 *
 * @returns a function that removes the lifecycle once it has ended
 */
export function joinShutdown(member: ShutdownMember): () => void {
  const group = sharedGroup()
  group.members.add(member)
  for (const signal of member.signals) {
    if (group.handlers.has(signal)) continue
    const handler = (): void => onSignal(group, signal)
    group.handlers.set(signal, handler)
    // Prepended, so that listeners added with once() are still there when they are counted.
    process.prependListener(signal, handler)
  }
  return () => {
    group.members.delete(member)
    if (!group.isEnding) removeUnusedHandlers(group)
  }
}

/** Records that a lifecycle is ending, for whatever reason: the process waits for it. */
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
    // A framework that also handled the signal has ended, removed its listener and raised the signal again. It is still the
    // first signal.
    const isRaisedAgain = signal === first.signal && listeners < first.listeners
    if (isRaisedAgain) first.listeners = listeners
    // Sending it again later means that the operator does not want to wait.
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
  // More members may begin to end during this loop.
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
