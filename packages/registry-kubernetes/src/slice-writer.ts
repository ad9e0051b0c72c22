import { contentionError } from '@sd/adapter-kit'
import type { KubernetesConnection } from '@sd/connection-kubernetes'
import { SdError } from '@sd/core'
import { ignoreMissing } from './process-lease.ts'
import type { Slice } from './slices.ts'
/** Writes EndpointSlices; repeats if others change them at the same time. */
export interface SliceWriter {
  /**
   * Creates or replaces a slice. @param isKnown whether it is known to exist @returns the slice as the server returned
   * it
   */
  put(slice: Slice, isKnown: boolean, signal: AbortSignal): Promise<Slice>
  /** Reads a slice; `undefined` if it does not exist. */
  read(name: string, signal: AbortSignal): Promise<Slice | undefined>
  /** Deletes a slice in exactly the given version. @returns whether that version, or nothing, was there */
  removeExactly(slice: Slice, signal: AbortSignal): Promise<boolean>
  /** Deletes a slice if `matches` accepts it. */
  removeIf(name: string, matches: (slice: Slice) => boolean, signal: AbortSignal): Promise<void>
}

/** Maximum number of attempts to put or remove a slice that others change at the same time. */
const maxAttempts = 4

/** Creates a writer. @param path of the slices of the namespace @param owner name of the registry, for messages */
export function createSliceWriter(connection: KubernetesConnection, path: string, owner: string): SliceWriter {
  /** Creates or replaces a slice. Deletes and creates it again if its address type differs, because that is immutable. */
  async function put(slice: Slice, isKnown: boolean, signal: AbortSignal): Promise<Slice> {
    const { name } = slice.metadata
    let method: 'POST' | 'PUT' = isKnown ? 'PUT' : 'POST'
    for (let attempt = 1; ; attempt++) {
      const target = method === 'POST' ? path : `${path}/${name}`
      try {
        return (await connection.request({ method, path: target, body: slice, signal })).body as Slice
      } catch (error) {
        const code = codeOf(error)
        if (attempt === maxAttempts) throw error
        if (method === 'POST' && code === 'SD_CONFLICT') method = 'PUT'
        else if (method === 'PUT' && code === 'SD_NOT_FOUND') method = 'POST'
        else if (method === 'PUT' && code === 'SD_INVALID' && (error as SdError).field === 'addressType') {
          await connection.request({ method: 'DELETE', path: target, signal }).catch(ignoreMissing)
          method = 'POST'
        } else throw error
      }
    }
  }

  async function read(name: string, signal: AbortSignal): Promise<Slice | undefined> {
    try {
      return (await connection.request({ method: 'GET', path: `${path}/${name}`, signal })).body as Slice
    } catch (error) {
      return ignoreMissing(error) as undefined
    }
  }

  /** Deletes the slice in exactly the given version. @returns whether that version, or nothing, was there */
  async function removeExactly({ metadata: { name, uid, resourceVersion } }: Slice, signal: AbortSignal): Promise<boolean> {
    const body = { preconditions: { uid, resourceVersion } }
    try {
      await connection.request({ method: 'DELETE', path: `${path}/${name}`, body, signal }).catch(ignoreMissing)
      return true
    } catch (error) {
      if (codeOf(error) !== 'SD_CONFLICT') throw error
      return false
    }
  }

  /** Deletes the slice if `matches` accepts it; repeats if others change it at the same time. */
  async function removeIf(name: string, matches: (slice: Slice) => boolean, signal: AbortSignal): Promise<void> {
    for (let attempt = 1; attempt <= maxAttempts; attempt++) {
      const slice = await read(name, signal)
      if (!slice || !matches(slice) || (await removeExactly(slice, signal))) return
    }
    throw contentionError(`${owner}: ${name}`, maxAttempts)
  }

  return { put, read, removeExactly, removeIf }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof SdError ? error.code : undefined
}
