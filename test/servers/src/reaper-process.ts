import { rmSync } from 'node:fs'
import { createInterface } from 'node:readline'

// The other half of reaper.ts. It ends when its input ends, because the process that started it has exited or was killed,
// or when its lifetime is over.

/** Maximum lifetime of a test server, in milliseconds: two hours, for the soak test. */
const lifetimeMs = 7_200_000

const processes = new Set<number>()
const folders = new Set<string>()

function reap(): never {
  for (const pid of processes) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It has already exited.
    }
  }
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  process.exit(0)
}

setTimeout(reap, lifetimeMs).unref()
const lines = createInterface({ input: process.stdin })
lines.on('line', (line) => {
  const [word, ...rest] = line.split(' ')
  const what = rest.join(' ')
  if (word === 'process') processes.add(Number(what))
  else if (word === 'gone') processes.delete(Number(what))
  else folders.add(what)
})
lines.on('close', reap)
