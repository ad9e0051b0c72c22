import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { getReaper } from '@sd/test-servers'
import { within } from '@sd/testing'
import type { Counts, Message, Order, Role } from './roles.ts'

const program = fileURLToPath(new URL('testing/service-process.ts', import.meta.url))

/** How long a process may take to start, or to answer, in milliseconds. */
const answerLimitMs = 60_000

/** A process of the fleet. */
export interface ServiceProcess {
  /** Id of its instance. */
  readonly id: string
  /** Sets how long it takes to answer a request, in milliseconds. */
  answerAfter(ms: number): void
  counts(): Promise<Counts>
  /** Stops it as a debugger or a frozen machine does: its connections stay open. */
  pause(): void
  /** Continues it. */
  resume(): void
  /** Ends it at once, also while it is paused. */
  close(): Promise<void>
}

/** Starts a process and waits until it is registered. */
export async function startProcess(role: Role): Promise<ServiceProcess> {
  const child = fork(program, [JSON.stringify(role)], { stdio: ['ignore', 'ignore', 'pipe', 'ipc'], execArgv: [] })
  const pid = child.pid as number
  const reaper = getReaper()
  reaper.addProcess(pid)
  let errors = ''
  child.stderr?.on('data', (chunk) => {
    errors = `${errors}${chunk}`.slice(-4_000)
  })
  const exited = once(child, 'exit').then(() => reaper.dropProcess(pid))
  async function close(): Promise<void> {
    child.kill('SIGKILL')
    await exited
  }
  const give = (order: Order): void => void child.send(order)
  try {
    await answerOf(child, 'ready')
  } catch (error) {
    await close()
    throw new Error(`${role.id} did not start: ${errors}`, { cause: error })
  }
  return {
    id: role.id,
    answerAfter: (ms) => give({ kind: 'answer-after', ms }),
    async counts() {
      const answer = answerOf(child, 'counts')
      give({ kind: 'count' })
      return answer
    },
    pause: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
    close,
  }
}

/** The next message of a kind. @throws Error if the process ends before, or does not answer */
function answerOf<Kind extends Message['kind']>(
  child: ChildProcess,
  kind: Kind,
): Promise<Extract<Message, { readonly kind: Kind }>> {
  const { promise, resolve, reject } = Promise.withResolvers<Extract<Message, { readonly kind: Kind }>>()
  const take = (message: Message): void => {
    if (message.kind === kind) resolve(message as Extract<Message, { readonly kind: Kind }>)
  }
  const fail = (): void => reject(new Error('the process has ended'))
  child.on('message', take)
  child.once('exit', fail)
  return within(promise, answerLimitMs, `${kind} of process ${child.pid}`).finally(() => {
    child.off('message', take)
    child.off('exit', fail)
  })
}
