import { invalidError } from '@sd/core'

/** Reads the number of a version. @throws SdError `SD_INVALID` */
export function readVersion(field: string, text: string): number {
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text)
  throw invalidError(field, text, 'the number of a version, as in sdctl config history')
}
