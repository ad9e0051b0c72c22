import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** Cleans up when this process can't: it ends all registered processes when this process has exited for any reason. */
export interface Reaper {
  /** Registers a process to end. */
  addProcess(pid: number): void
  /** Unregisters a process that has exited: its id may be reused. */
  dropProcess(pid: number): void
  /** Registers a folder to delete. */
  addFolder(path: string): void
}

const program = fileURLToPath(new URL('reaper-process.ts', import.meta.url))
let shared: Reaper | undefined

/** Returns the reaper of this process, which is started on first use. */
export function getReaper(): Reaper {
  shared ??= startReaper()
  return shared
}

function startReaper(): Reaper {
  const child = spawn(process.execPath, [program], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] })
  child.unref()
  const pipe = child.stdin
  ;(pipe as unknown as { unref(): void }).unref()
  pipe.on('error', () => undefined)
  const send = (word: string, what: string | number): void => void pipe.write(`${word} ${what}\n`)
  return {
    addProcess: (pid) => send('process', pid),
    dropProcess: (pid) => send('gone', pid),
    addFolder: (path) => send('folder', path),
  }
}
