import { SdError } from '@sd/core'
import type { ComparatorBuilder, DeleteBuilder, Etcd3, PutBuilder } from 'etcd3'
import type { EtcdConnection } from './etcd-connection.ts'
import { codeOf } from './etcd-errors.ts'

/** A change of one key. */
export interface KeyChange {
  /** The key. */
  readonly key: string
  /** Its new value; `undefined` deletes the key. */
  readonly value: string | undefined
  /**
   * Revision of the key's last change that is required; `0n` requires that the key does not exist. @default any
   * revision
   */
  readonly ifModRevision?: bigint | undefined
}

/** Maximum number of attempts while the key is created and deleted in between. */
const maxAttempts = 8
/** etcd's default limit of a request (`--max-request-bytes`). */
const maxRequestBytes = 1_572_864
const resourceExhausted = 8

type CallOptions = NonNullable<Parameters<ComparatorBuilder['options']>[0]>
type Interceptor = NonNullable<CallOptions['interceptors']>[number]

/**
 * Changes a key in one transaction. @returns the revision of the change, or `undefined` if the key did not have the
 * required revision
 */
export async function changeKey(connection: EtcdConnection, change: KeyChange): Promise<bigint | undefined> {
  try {
    return await connection.run(async (client) => {
      if (change.ifModRevision !== undefined) return compareAndChange(client, change, change.ifModRevision)
      if (change.value === undefined) return BigInt((await client.delete().key(change.key).exec()).header.revision)
      // Not in one transaction, which would contain the value twice, so that a value above half of the
      // request limit would be refused.
      for (let attempts = 0; attempts < maxAttempts; attempts++) {
        const isThere = attempts % 2 === 0
        const put = operationOf(client, change, isThere)
        const { succeeded, header } = await client
          .if(change.key, 'Version', isThere ? '>' : '==', 0)
          .then(put)
          .commit()
        if (succeeded) return BigInt(header.revision)
      }
      throw new SdError('SD_UNAVAILABLE', `${change.key} is created and deleted too often by others`)
    })
  } catch (error) {
    const bytes = Buffer.byteLength(change.value ?? '')
    // For a request that is larger than gRPC accepts, etcd returns the code of a full database.
    if (bytes <= maxRequestBytes || codeOf((error as Error).cause) !== resourceExhausted) throw error
    throw new SdError('SD_TOO_LARGE', `${change.key} has ${bytes} bytes, want at most ${maxRequestBytes}`, { cause: error })
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
  // A member that failed may have made the change before, so the next one finds it already made.
  const found = responses[0]?.response_range?.kvs[0]
  return found?.value.toString() === value ? BigInt(found?.mod_revision ?? header.revision) : undefined
}

/**
 * @param isThere whether the key exists: its lease belongs to its owner, and a write without it would detach the key
 * from it
 */
function operationOf(client: Etcd3, { key, value }: KeyChange, isThere: boolean): PutBuilder | DeleteBuilder {
  if (value === undefined) return client.delete().key(key)
  const put = client.put(key).value(value)
  return isThere ? put.ignoreLease() : put
}
