import { open } from 'node:fs/promises'
import {
  checkDuration,
  checkFunction,
  checkInteger,
  checkKnownKeys,
  checkName,
  guardListener,
  SdError,
  toSdError,
} from '@sd/core'
import { type Keys, parseKeyLines } from './key-lines.ts'
import { createLocalKeyring, type Keyring } from './keyring.ts'

/** Options of {@link createFileKeyring}. */
export interface FileKeyringOptions {
  /** Path of the file: one `key-id:base64url` per line; the first one is the primary. `#` starts a comment. */
  readonly path: string
  /** Maximum permissions of the file. Kubernetes mounts a Secret with `fsGroup` as 0o440. Not checked on Windows. @default 0o600 */
  readonly maxMode?: number
  /** Minimum time between checks of the file, in milliseconds. It is also checked whenever an unknown key is requested. @default 1_000 */
  readonly recheckMs?: number
  /** Called when a changed file can't be read; the keys read before stay in use. @default none */
  readonly onError?: (error: SdError) => void
}

const maxFileLength = 65_536

interface KeyFile {
  readonly keys: Keys
  /** Differs when the file was changed or replaced. */
  readonly stamp: string
}

/**
 * Creates a keyring from a file, which is read on first use and again after changes, so that keys are rotated without a restart.
 *
 * @throws SdError `SD_INVALID` naming an option; its methods throw `SD_DENIED` if others can read the file, `SD_MALFORMED` if it
 * has no keys, `SD_UNAVAILABLE` if it can't be read
 */
export function createFileKeyring(options: FileKeyringOptions): Keyring {
  checkKnownKeys('', options, ['path', 'maxMode', 'recheckMs', 'onError'])
  const path = checkName('path', options.path, 4_096)
  const maxMode = checkInteger('maxMode', options.maxMode ?? 0o600, { min: 0o400, max: 0o777 })
  const recheckMs = checkDuration('recheckMs', options.recheckMs ?? 1_000)
  const onError = options.onError && guardListener('onError', checkFunction('onError', options.onError))
  let file: KeyFile | undefined
  let checkedAt = 0
  let checking: Promise<void> | undefined

  async function check(): Promise<void> {
    try {
      file = await readKeyFile(path, maxMode, file)
      checkedAt = performance.now()
    } catch (error) {
      if (!file) throw error
      checkedAt = performance.now()
      onError?.(error as SdError)
    }
  }

  return createLocalKeyring(async (wanted) => {
    const isFresh = performance.now() - checkedAt < recheckMs && (wanted === undefined || file?.keys.has(wanted))
    if (!file || !isFresh) {
      checking ??= check().finally(() => {
        checking = undefined
      })
      await checking
    }
    return file?.keys ?? new Map()
  })
}

async function readKeyFile(path: string, maxMode: number, previous: KeyFile | undefined): Promise<KeyFile> {
  const what = `The key file ${path}`
  try {
    await using handle = await open(path, 'r')
    // Checked on the open file, so that the checked file is the one that is read.
    const { mode, size, ino, mtimeMs, ctimeMs } = await handle.stat()
    const isPrivate = process.platform === 'win32' || (mode & 0o777 & ~maxMode) === 0
    if (!isPrivate) {
      const modes = `mode ${(mode & 0o777).toString(8)}, expected at most ${maxMode.toString(8)} (see maxMode)`
      throw new SdError('SD_DENIED', `${what} is accessible to other users: ${modes}`)
    }
    const stamp = [ino, size, mtimeMs, ctimeMs, mode].join()
    if (stamp === previous?.stamp) return previous
    if (size > maxFileLength) throw new SdError('SD_TOO_LARGE', `${what} has more than ${maxFileLength} bytes`)
    const bytes = await handle.readFile()
    const keys = parseKeyLines(what, bytes.toString('utf8'))
    bytes.fill(0)
    return { keys, stamp }
  } catch (error) {
    throw toSdError(error, 'SD_UNAVAILABLE', what)
  }
}
