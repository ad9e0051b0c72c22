import { SdError } from '@sd/core'

/** The error for a change through a dashboard without `--write`. */
export function readOnlyError(): SdError {
  return new SdError('SD_DENIED', 'This dashboard is read-only: start it with --write')
}
