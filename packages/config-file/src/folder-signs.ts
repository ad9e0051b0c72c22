import { type FSWatcher, watch } from 'node:fs'
import { sleep } from '@sd/core'
import type { FoundFolder } from './listing.ts'

/** Signs of the operating system that something may have changed. They may be too many or, on a network file system, none. */
export interface FolderSigns {
  /** Watches exactly these folders from now on. @returns whether one is new: what changed in it before is not told */
  follow(folders: readonly FoundFolder[]): boolean
  /** Waits for a sign since it last returned, for at most `limitMs`. */
  next(limitMs: number): Promise<void>
}

/** Makes them, until the signal fires. */
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
  /** Watching may be impossible: no inotify left, no rights, a folder that is gone. Then the interval has to do. */
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
