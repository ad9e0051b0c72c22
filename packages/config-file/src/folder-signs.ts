import { type FSWatcher, watch } from 'node:fs'
import { sleep } from '@sd/core'
import type { FoundFolder } from './listing.ts'

/** Change events of the operating system. There can be too many or, on a network file system, none. */
export interface FolderSigns {
  /** Watches exactly these folders from now on. @returns whether one is new: earlier changes in it were not reported */
  follow(folders: readonly FoundFolder[]): boolean
  /** Waits for an event since the last return, for at most `limitMs`. */
  next(limitMs: number): Promise<void>
}

/** Creates a watcher that stops when the signal aborts. */
export function createFolderSigns(signal: AbortSignal): FolderSigns {
  const watchers = new Map<string, FSWatcher>()
  let isSigned = false
  let wake: () => void = () => undefined

  function sign(): void {
    isSigned = true
    wake()
  }
  function drop(id: string): void {
    watchers.get(id)?.close()
    watchers.delete(id)
  }
  /** Watching can fail: inotify limit reached, no permission, folder removed. Then changes are found at the poll interval. */
  function open(id: string, { path, only }: FoundFolder): boolean {
    try {
      const watcher = watch(path, { persistent: false }, (_, name) => {
        if (only === undefined || name === null || name === only) sign()
      })
      watcher.on('error', () => drop(id))
      watchers.set(id, watcher)
      return true
    } catch {
      return false
    }
  }
  signal.addEventListener('abort', () => {
    for (const id of [...watchers.keys()]) drop(id)
    sign()
  })

  return {
    follow(folders) {
      const wanted = new Map(folders.map((folder) => [`${folder.path}:${folder.identity}`, folder]))
      for (const id of [...watchers.keys()]) if (!wanted.has(id)) drop(id)
      const fresh = [...wanted].filter(([id]) => !signal.aborted && !watchers.has(id))
      return fresh.map(([id, folder]) => open(id, folder)).includes(true)
    },
    async next(limitMs) {
      const woken = new AbortController()
      wake = () => woken.abort()
      if (!isSigned) await sleep(limitMs, woken.signal, true).catch(() => undefined)
      isSigned = false
    },
  }
}
