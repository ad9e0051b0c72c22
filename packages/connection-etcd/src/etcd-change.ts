import { SdError } from '@sd/core'
import type { ComparatorBuilder, DeleteBuilder, Etcd3, PutBuilder } from 'etcd3'
import type { EtcdConnection } from './etcd-connection.ts'
import { codeOf } from './etcd-errors.ts'

/** A change of one key. */
export interface KeyChange {
  /** The key. */
  readonly key: string
  /** Its value from now on; `undefined` deletes the key. */
  readonly value: string | undefined
  /** The revision in which the key must have been changed last; `0n`: there must be no such key. @default the key is changed however it is */
  readonly ifModRevision?: bigint | undefined
}

/** How often a key is looked for and not found, or the other way round, before it is given up. */
const maxAttempts = 8
/** etcd's limit of a request where `--max-request-bytes` says nothing else. */
const maxRequestBytes = 1_572_864
const resourceExhausted = 8

type CallOptions = NonNullable<Parameters<ComparatorBuilder['options']>[0]>
type Interceptor = NonNullable<CallOptions['interceptors']>[number]

/** Changes a key, in one transaction. @returns the revision of the change; `undefined` if the key was not as wanted */
export async function changeKey(connection: EtcdConnection, change: KeyChange): Promise<bigint | undefined> {
  try {
    return await connection.run(async (client) => {
      if (change.ifModRevision !== undefined) return compareAndChange(client, change, change.ifModRevision)
      if (change.value === undefined) return BigInt((await client.delete().key(change.key).exec()).header.revision)
      // Not in one transaction: it would have the value twice, and be too large for half of what etcd takes.
      for (let attempts = 0; attempts < maxAttempts; attempts++) {
        const isThere = attempts % 2 === 0
        const put = operationOf(client, change, isThere)
        const { succeeded, header } = await client
          .if(change.key, 'Version', isThere ? '>' : '==', 0)
          .then(put)
          .commit()
        if (succeeded) return BigInt(header.revision)
      }
      throw new SdError('SD_UNAVAILABLE', `${change.key} comes and goes`)
    })
  } catch (error) {
    const bytes = Buffer.byteLength(change.value ?? '')
    // Beyond what gRPC lets in, the code is that of a full database.
    if (bytes <= maxRequestBytes || codeOf((error as Error).cause) !== resourceExhausted) throw error
    throw new SdError('SD_TOO_LARGE', `${change.key} has ${bytes} bytes, etcd takes ${maxRequestBytes}`, { cause: error })
  }
}

async function compareAndChange(client: Etcd3, change: KeyChange, ifModRevision: bigint): Promise<bigint | undefined> {
  const { key, value } = change
  let attempts = 0
  const countAttempt: Interceptor = (options, next) => {
    attempts++
    return next(options) as ReturnType<Interceptor>
  }
  const { succeeded, header, responses } = await client
    .if(key, 'Mod', '==', String(ifModRevision))
    .then(operationOf(client, change, ifModRevision > 0n))
    .else(client.get(key))
    .options({ interceptors: [countAttempt] })
    .commit()
  if (succeeded) return BigInt(header.revision)
  if (attempts === 1) return undefined
  // A member that went away may have made the change before; then the next one has found it already made.
  const found = responses[0]?.response_range?.kvs[0]
  return found?.value.toString() === value ? BigInt(found?.mod_revision ?? header.revision) : undefined
}

/** @param isThere whether there is such a key: then its lease, if it has one, is its owner's, and a write that does not name it would take it off */
function operationOf(client: Etcd3, { key, value }: KeyChange, isThere: boolean): PutBuilder | DeleteBuilder {
  if (value === undefined) return client.delete().key(key)
  const put = client.put(key).value(value)
  return isThere ? put.ignoreLease() : put
}
