import { readFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { describeThrown, SdError } from '@sd/core'
import type { FilterTarget } from '@sd/gateway'
import type { JWK } from 'jose'
import type { KeySource } from './auth-jwt-options.ts'
import { KeyStore } from './key-store.ts'
import { readKeyFile, readKeySet } from './public-keys.ts'

/** Longest key set, in bytes: the largest of known issuers has less than a tenth of it. */
const maxBytes = 262_144

/** Opens the keys of a source. Those of a file are read now. @throws SdError `SD_INVALID` */
export function openKeys(source: KeySource): KeyStore {
  const { target, file, keys } = source
  if (keys) return new KeyStore(source, undefined, keys)
  if (file !== undefined) return new KeyStore(source, () => readFile(file), readFileNow(file))
  return new KeyStore(source, (signal) => fetchKeys(target as FilterTarget, signal))
}

async function fetchKeys(target: FilterTarget, signal: AbortSignal): Promise<readonly JWK[]> {
  const headers = { accept: 'application/jwk-set+json, application/json' }
  const response = await target.fetch({ headers, redirect: 'error', signal })
  if (response.status !== 200) {
    await response.body?.cancel()
    throw new SdError('SD_UNAVAILABLE', `The issuer responded with status ${response.status} in place of its keys`)
  }
  return readKeySet('The key set of the issuer', await readText(response))
}

async function readText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of response.body ?? []) {
    length += chunk.byteLength
    if (length > maxBytes) throw new SdError('SD_TOO_LARGE', `The key set of the issuer is longer than ${maxBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

async function readFile(path: string): Promise<readonly JWK[]> {
  const file = await open(path)
  try {
    if ((await file.stat()).size > maxBytes) throw new SdError('SD_TOO_LARGE', `${path} is longer than ${maxBytes} bytes`)
    return readKeyFile(path, await file.readFile('utf8'))
  } finally {
    await file.close()
  }
}

function readFileNow(path: string): readonly JWK[] {
  try {
    return readKeyFile(path, readFileSync(path, 'utf8'))
  } catch (error) {
    throw new SdError('SD_INVALID', `Invalid jwksFile: ${describeThrown(error)}`, { field: 'jwksFile', cause: error })
  }
}
