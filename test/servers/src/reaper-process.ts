import { rmSync } from 'node:fs'
import { createInterface } from 'node:readline'

// The other half of reaper.ts. Its input ends with the process that started it, killed or not; or the lifetime ends.

/** Longest time that any test server lives, in milliseconds: two hours, for the soak test. */
const lifetimeMs = 7_200_000

const processes = new Set<number>()
const folders = new Set<string>()

function reap(): never {
  for (const pid of processes) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // Gone already.
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
