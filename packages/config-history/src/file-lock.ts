import { createHash, randomUUID } from 'node:crypto'
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { createBackoff, SdError, sleep } from '@sd/core'

/** A lock file that is held. */
export interface FileLock {
  /** Last check before what can't be undone. @throws SdError `SD_CONFLICT` if somebody took it over */
  check(): Promise<void>
}

/** Limits of {@link withFileLock}. */
export interface FileLockOptions {
  /** Ends the wait for the lock. */
  readonly signal: AbortSignal
  /** A holder that is seen for longer than this, in milliseconds, counts as dead. */
  readonly staleMs: number
}

/** Runs `operation` while a lock file is held, by one process only. What it does takes milliseconds. @throws SdError `SD_ABORTED` when the signal fires before */
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
        if ((await holderOf(path)) !== own) throw new SdError('SD_CONFLICT', `${path} was taken over by another process`)
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
    // By the time that we have watched it, because the clocks of two machines differ, and process ids mean nothing across containers.
    if (holder !== undefined && performance.now() - seenAt > staleMs && (await takeOver(path, holder, own))) return
    await sleep(backoff.next(), signal, true)
  }
}

/** Of several that try, only the one with the claim may replace a dead holder's lock, and only while it is still that one's. */
async function takeOver(path: string, holder: string, own: string): Promise<boolean> {
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
