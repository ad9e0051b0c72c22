import { createSeededRandom } from '@sd/testing'
import { type Contender, contenders, deadlineMs } from './contenders.ts'
import type { ChaosCall } from './judge.ts'

// One contender of the chaos run. Open loop: calls start when they are due, and their time is measured from then.
const [name, file = '', rate = '', seed = ''] = process.argv.slice(2)
const { create } = contenders.find((contender) => contender.name === name) as Contender
const call = create(file)
const random = createSeededRandom(Number(seed))
const calls: ChaosCall[] = []
const pending = new Set<Promise<void>>()
let isStopped = false
let isReady = false
let dueAt = Date.now() + 500
const clockOffset = Date.now() - performance.now()

async function make(method: string, scheduledAt: number): Promise<void> {
  const lateMs = now() - scheduledAt
  const abort = new AbortController()
  const timer = setTimeout(() => abort.abort(), Math.max(1, scheduledAt + deadlineMs - now()))
  let failure: string | undefined
  try {
    const status = await call(method, abort.signal)
    if (status >= 400) failure = String(status)
    else if (!isReady) {
      isReady = true
      process.send?.('ready')
    }
  } catch (error) {
    failure = describe(error)
  }
  clearTimeout(timer)
  const elapsedMs = now() - scheduledAt
  calls.push({
    method,
    at: scheduledAt,
    endedAt: now(),
    lateMs,
    latencyMs: failure === undefined ? elapsedMs : deadlineMs,
    failure,
  })
}

function now(): number {
  return clockOffset + performance.now()
}

function describe(error: unknown): string {
  const { code, cause, response } = error as { code?: string; cause?: { code?: string }; response?: { status: number } }
  if (response) return String(response.status)
  return [code ?? (error as Error).name, ...(cause?.code === undefined ? [] : [cause.code])].join(' ')
}

function tick(): void {
  if (isStopped) return
  for (; dueAt <= now(); dueAt += (-Math.log(1 - random()) / Number(rate)) * 1_000) {
    const draw = random()
    const running = make(draw < 0.8 ? 'GET' : draw < 0.9 ? 'PUT' : 'POST', dueAt).finally(() => pending.delete(running))
    pending.add(running)
  }
  setTimeout(tick, Math.max(0, dueAt - now()))
}

process.on('message', () => {
  isStopped = true
  void Promise.all(pending).then(() => process.send?.(calls, () => process.exit()))
})
process.on('disconnect', () => process.exit())
tick()
