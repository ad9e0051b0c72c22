import { closeSync, mkdirSync, openSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** How long the reservation of a process that was killed counts, in milliseconds: longer than a file of tests runs. */
const staleMs = 1_800_000

const folder = join(tmpdir(), 'sd-test-ports')
const own = new Set<string>()

/** Reserves a port for this process until it exits. @returns whether no other process has it, nor this one */
export function reservePort(port: number): boolean {
  const file = join(folder, String(port))
  mkdirSync(folder, { recursive: true })
  try {
    closeSync(openSync(file, 'wx'))
  } catch {
    dropStale(file)
    return false
  }
  if (own.size === 0) process.once('exit', release)
  own.add(file)
  return true
}

function release(): void {
  for (const file of own) rmSync(file, { force: true })
}

/** Its port can be reserved again by a later call. */
function dropStale(file: string): void {
  const age = Date.now() - (statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? Date.now())
  if (age > staleMs) rmSync(file, { force: true })
}
