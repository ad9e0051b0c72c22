import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  createServiceInstance,
  createSnapshot,
  type InstanceSpec,
  SdError,
  type ServiceInstance,
  type ServiceSnapshot,
  toSdError,
} from '@sd/core'

/** Options of the snapshots on disk, which are used for a cold start without the registry. */
export interface DiskSnapshotOptions {
  /** Folder, created if it does not exist. It holds one file per service, readable only by its owner. */
  readonly directory: string
  /**
   * Key that signs the files (HMAC-SHA256), so that a list written without the key is rejected.
   *
   * @default none: a SHA-256 checksum, which detects damage but not forgery
   */
  readonly secret?: string
}

/** Keeps the last known snapshot of each service on disk. */
export interface DiskSnapshots {
  /**
   * Reads a service's snapshot, marked stale; `undefined` if there is none.
   *
   * @throws SdError `SD_MALFORMED` if it is damaged, forged or of another format version
   */
  load(service: string): Promise<ServiceSnapshot | undefined>
  /**
   * Writes a snapshot atomically. Of several concurrent writes for one service, the last one wins.
   *
   * @throws SdError `SD_UNAVAILABLE` if the write fails
   */
  save(snapshot: ServiceSnapshot): Promise<void>
  /** Waits for pending writes. */
  flush(): Promise<void>
}

const formatVersion = 1

interface FileContent {
  readonly version: number
  readonly service: string
  readonly revision: string
  readonly instances: readonly ServiceInstance[]
}

/** Keeps snapshots as files with the content `<signature>\n<JSON>`. */
export function createDiskSnapshots(options: DiskSnapshotOptions): DiskSnapshots {
  const { directory, secret } = options
  const writing = new Map<string, Promise<void>>()
  const waiting = new Map<string, ServiceSnapshot>()

  function sign(text: string): string {
    const kind = secret === undefined ? 'sha256' : 'hmac-sha256'
    const hash = secret === undefined ? createHash('sha256') : createHmac('sha256', secret)
    return `${kind}:${hash.update(text).digest('hex')}`
  }

  function pathOf(service: string): string {
    const readable = service.replaceAll(/[^a-zA-Z0-9-]/g, '_').slice(0, 40)
    const unique = createHash('sha256').update(service).digest('hex').slice(0, 16)
    return join(directory, `${readable}-${unique}.snapshot`)
  }

  async function write(snapshot: ServiceSnapshot): Promise<void> {
    const { service, revision, instances } = snapshot
    const text = JSON.stringify({ version: formatVersion, service, revision, instances } satisfies FileContent)
    const path = pathOf(service)
    const temporary = `${path}.${crypto.randomUUID()}.tmp`
    try {
      await mkdir(directory, { recursive: true, mode: 0o700 })
      await writeFile(temporary, `${sign(text)}\n${text}`, { mode: 0o600 })
      await rename(temporary, path)
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => undefined)
      throw toSdError(error, 'SD_UNAVAILABLE', `writing the snapshot of ${service}`)
    }
  }

  async function writeWaiting(service: string): Promise<void> {
    try {
      for (let snapshot = waiting.get(service); snapshot; snapshot = waiting.get(service)) {
        waiting.delete(service)
        await write(snapshot)
      }
    } finally {
      writing.delete(service)
    }
  }

  return {
    async load(service) {
      const path = pathOf(service)
      const file = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return undefined
        throw toSdError(error, 'SD_UNAVAILABLE', `reading the snapshot of ${service}`)
      })
      if (file === undefined) return undefined
      const end = file.indexOf('\n')
      const text = file.slice(end + 1)
      if (!sameText(file.slice(0, Math.max(end, 0)), sign(text))) {
        throw new SdError('SD_MALFORMED', `The snapshot of ${service} has a wrong signature: ${path}`)
      }
      return parse(service, path, text)
    },
    save(snapshot) {
      const { service } = snapshot
      waiting.set(service, snapshot)
      const running = writing.get(service)
      if (running) return running
      const started = writeWaiting(service)
      writing.set(service, started)
      return started
    },
    async flush() {
      await Promise.allSettled(writing.values())
    },
  }
}

function parse(service: string, path: string, text: string): ServiceSnapshot {
  try {
    const content = JSON.parse(text) as FileContent
    if (content.version !== formatVersion) throw new Error(`format version ${content.version}, want ${formatVersion}`)
    if (content.service !== service) throw new Error('it is for another service')
    const instances = content.instances.map(({ createdAt, updatedAt, ...spec }) =>
      createServiceInstance(spec as InstanceSpec, { createdAt, updatedAt }),
    )
    return createSnapshot({ service, instances, revision: content.revision, stale: true })
  } catch (error) {
    throw new SdError('SD_MALFORMED', `The snapshot of ${service} can't be read: ${path}: ${(error as Error).message}`, {
      cause: error,
    })
  }
}

function sameText(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)]
  return left.length === right.length && timingSafeEqual(left, right)
}
