import { type Refusal, refuse } from '../exchange/request-target.ts'

/** The response to a request that the parser could not read; `undefined` if the connection has failed. */
export function refusalOf({ code = '' }: NodeJS.ErrnoException): Refusal | undefined {
  if (code === 'HPE_HEADER_OVERFLOW') return refuse(431, 'The fields of the request are too large.')
  if (code === 'HPE_CHUNK_EXTENSIONS_OVERFLOW') return refuse(413, 'The extensions of a chunk are too large.')
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return refuse(408, 'The head of the request did not arrive in time.')
  if (code.startsWith('HPE_')) return refuse(400, 'The request is not valid.')
  return undefined
}
