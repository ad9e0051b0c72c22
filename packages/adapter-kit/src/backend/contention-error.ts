import { SdError } from '@sd/core'

/** Creates the error of an operation that other writers disturbed at each attempt. It is retryable. @param what the changed thing */
export function contentionError(what: string, attempts: number): SdError {
  return new SdError('SD_CONFLICT', `${what} was changed by other writers during each of ${attempts} attempts`, {
    retryable: true,
  })
}
