import { SdError, type SdErrorCode } from '@sd/core'

const codes: Readonly<Record<string, SdErrorCode>> = {
  ENOENT: 'SD_NOT_FOUND',
  EACCES: 'SD_DENIED',
  EPERM: 'SD_DENIED',
  EROFS: 'SD_DENIED',
  ENOTDIR: 'SD_CONFLICT',
  EISDIR: 'SD_CONFLICT',
  EEXIST: 'SD_CONFLICT',
}

/** The system error code, such as `ENOENT`. */
function codeOf(error: unknown): string {
  return String((error as NodeJS.ErrnoException | undefined)?.code)
}

/** Creates an error about files. Always retryable: files can be corrected, and a watch waits for that. */
export function fileError(code: SdErrorCode, message: string, cause?: unknown): SdError {
  return new SdError(code, message, { retryable: true, ...(cause !== undefined && { cause }) })
}

/** Converts a system error to an `SdError` that names the path. */
export function toFileError(caught: unknown, name: string): SdError {
  if (caught instanceof SdError) return caught
  const code = codes[codeOf(caught)] ?? 'SD_UNAVAILABLE'
  return fileError(code, `${name}: ${caught instanceof Error ? caught.message : String(caught)}`, caught)
}

/** Result of an operation, or `undefined` if the file or a parent folder does not exist. */
export async function ifThere<T>(operation: Promise<T>): Promise<T | undefined> {
  try {
    return await operation
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(codeOf(error))) return undefined
    throw error
  }
}
