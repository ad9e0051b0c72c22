import { createHash, randomUUID } from 'node:crypto'
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { createBackoff, SdError, sleep } from '@sd/core'

/** A held lock file. */
export interface FileLock {
  /** Last check before a change that can't be undone. @throws SdError `SD_CONFLICT` if another process has replaced the lock */
  check(): Promise<void>
}

/** Limits of {@link withFileLock}. */
export interface FileLockOptions {
  /** Aborts the wait for the lock. */
  readonly signal: AbortSignal
  /** A process that holds the lock for longer than this, in milliseconds, is considered dead. */
  readonly staleMs: number
}

/** Runs `operation`, which takes milliseconds, while this process holds a lock file. @throws SdError `SD_ABORTED` if the signal aborts first */
export async function withFileLock<T>(
  path: string,
  options: FileLockOptions,
  operation: (lock: FileLock) => Promise<T>,
): Promise<T> {
  const own = `${process.pid} ${randomUUID()}`
  await acquire(path, own, options)
  try {
    return await operation({
      async check() {
        if ((await holderOf(path)) !== own)
          throw new SdError(
            'SD_CONFLICT',
            `The lock ${path} was replaced by another process, because this one held it for too long`,
          )
      },
    })
  } finally {
    if ((await holderOf(path)) === own) await rm(path, { force: true })
  }
}

async function acquire(path: string, own: string, { signal, staleMs }: FileLockOptions): Promise<void> {
  const backoff = createBackoff({ baseMs: 10, maxMs: 100 })
  let seen: string | undefined
  let seenAt = 0
  while (!(await createOnce(path, own))) {
    const holder = await holderOf(path)
    if (holder !== seen) {
      seen = holder
      seenAt = performance.now()
    }
    // Measured from the first sighting, because clocks of machines differ and process ids have no meaning across containers.
    if (holder !== undefined && performance.now() - seenAt > staleMs && (await replaceLock(path, holder, own))) return
    await sleep(backoff.next(), signal, true)
  }
}

/** Replaces the lock of a dead holder. Of several processes only the one with the claim can, and only while that holder has the lock. */
async function replaceLock(path: string, holder: string, own: string): Promise<boolean> {
  const claim = `${path}.${createHash('sha256').update(holder).digest('hex').slice(0, 16)}`
  if (!(await createOnce(claim, own))) return false
  if ((await holderOf(path)) === holder) {
    await rename(claim, path)
    return true
  }
  await rm(claim, { force: true })
  return false
}

async function createOnce(path: string, content: string): Promise<boolean> {
  try {
    await writeFile(path, content, { flag: 'wx', mode: 0o600 })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

async function holderOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
