import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** Cleans up when this process can't: it ends what is still registered once this process is gone, however it went. */
export interface Reaper {
  /** Registers a process to end. */
  addProcess(pid: number): void
  /** The process has ended by itself: its id may soon be another's. */
  dropProcess(pid: number): void
  /** Registers a folder to delete. */
  addFolder(path: string): void
}

const program = fileURLToPath(new URL('reaper-process.ts', import.meta.url))
let shared: Reaper | undefined

/** The reaper of this process, started on first use. */
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
  const tell = (word: string, what: string | number): void => void pipe.write(`${word} ${what}\n`)
  return {
    addProcess: (pid) => tell('process', pid),
    dropProcess: (pid) => tell('gone', pid),
    addFolder: (path) => tell('folder', path),
  }
}
