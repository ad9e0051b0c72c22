import {
  checkDuration,
  checkFunction,
  checkKnownKeys,
  checkName,
  checkObject,
  guardListener,
  invalidError,
  readIpAddress,
  SdError,
} from '@sd/core'
import { errorReply, type FilterFactory, type GatewayExchange, type GatewayFilter } from '@sd/gateway'
import { ListFile } from './list-file.ts'
import { maxNetworks, NetworkSet } from './network-set.ts'

/** Networks such as `10.0.0.0/8` and `2001:db8::/32`, and single addresses. At most 100,000 in a list. */
export interface AccessLists {
  /** Only clients in one of these have access; with an empty list no client has. @default every client */
  readonly allow?: readonly string[]
  /** Clients in one of these have no access, also if they are in `allow`. @default none */
  readonly deny?: readonly string[]
}

/** Options of the filter on a route. At least one list is required. */
export interface IpAccessOptions extends AccessLists {
  /** A file with further networks to allow, one on each line, with `#` comments. An empty file allows no client. @default none */
  readonly allowFile?: string
  /** A file with further networks to deny. @default none */
  readonly denyFile?: string
  /** Shortest time between two looks at the files, in milliseconds; they are looked at when requests arrive. @default 5_000 */
  readonly reloadMs?: number
}

/** What can't be in a table. */
export interface IpAccessParts {
  /**
   * Further lists, such as those of a live configuration. It is called for each request and must be quick. Return the same
   * object while nothing changes: another one is checked and prepared again. If it throws or its lists are not valid, the
   * previous ones stay in use; before the first valid ones, no client has access.
   *
   * @default none
   */
  readonly lists?: () => AccessLists
  /** Receives why a changed file, or the lists of the function, are not used. @default ignored */
  readonly onError?: (error: SdError) => void
}

/** Lists, prepared for requests. */
interface PreparedLists {
  readonly allow: NetworkSet | undefined
  readonly deny: NetworkSet | undefined
}

const noAccess: PreparedLists = { allow: new NetworkSet([], String), deny: undefined }

/**
 * Creates the filter `ip-access`, which refuses clients by their address with 403, with {@link IpAccessOptions}. Deny wins over
 * allow. The address is that of the exchange: trusted proxies and the PROXY protocol are accounted for.
 *
 * @throws SdError `SD_INVALID` that names the part
 */
export function createIpAccessFilter(parts: IpAccessParts = {}): FilterFactory {
  checkKnownKeys('', parts, ['lists', 'onError'])
  const { lists, onError = () => undefined } = parts
  if (lists !== undefined) checkFunction('lists', lists)
  const report = guardListener('onError of the filter ip-access', checkFunction('onError', onError))
  return (options) => {
    const sources = readSources(options, report)
    if (lists) sources.push(followLists(lists, report))
    if (sources.length === 0) throw invalidError('allow', undefined, 'at least one of allow, deny, allowFile, denyFile')
    return createFilter(sources)
  }
}

function createFilter(sources: readonly (() => PreparedLists)[]): GatewayFilter {
  return {
    onRequest(exchange) {
      const address = readIpAddress(exchange.clientAddress)
      return address !== undefined && hasAccess(sources, address) ? undefined : refuse(exchange)
    },
  }
}

function hasAccess(sources: readonly (() => PreparedLists)[], address: string): boolean {
  let isLimited = false
  let isAllowed = false
  for (const source of sources) {
    const { allow, deny } = source()
    if (deny?.has(address)) return false
    isLimited ||= allow !== undefined
    isAllowed ||= allow?.has(address) === true
  }
  return isAllowed || !isLimited
}

function refuse(exchange: GatewayExchange) {
  return errorReply({
    status: 403,
    detail: 'The address of the client has no access.',
    error: new SdError('SD_DENIED', 'The address of the client has no access', { origin: 'caller' }),
    accept: exchange.header('accept'),
  })
}

function readSources(options: Readonly<Record<string, unknown>>, onError: (error: SdError) => void): (() => PreparedLists)[] {
  checkKnownKeys('', options, ['allow', 'deny', 'allowFile', 'denyFile', 'reloadMs'])
  const { allow, deny, allowFile, denyFile } = options
  const reloadMs = checkDuration('reloadMs', options['reloadMs'] ?? 5_000, 100)
  const sources: (() => PreparedLists)[] = []
  if (allow !== undefined || deny !== undefined) {
    const prepared = prepare({ allow, deny })
    sources.push(() => prepared)
  }
  for (const [field, path] of Object.entries({ allowFile, denyFile })) {
    if (path === undefined) continue
    const file = new ListFile({ field, path: checkName(field, path, 4_096), reloadMs, onError })
    sources.push(() =>
      field === 'allowFile' ? { allow: file.networks, deny: undefined } : { allow: undefined, deny: file.networks },
    )
  }
  return sources
}

function followLists(lists: () => AccessLists, onError: (error: SdError) => void): () => PreparedLists {
  let last: AccessLists | undefined
  let prepared = noAccess
  return () => {
    try {
      const next = lists()
      if (next === last) return prepared
      last = next
      checkKnownKeys('lists', checkObject('lists', next), ['allow', 'deny'])
      prepared = prepare(next, 'lists.')
    } catch (error) {
      onError(error instanceof SdError ? error : new SdError('SD_LISTENER_FAILED', 'The function lists failed', { cause: error }))
    }
    return prepared
  }
}

function prepare({ allow, deny }: { readonly allow?: unknown; readonly deny?: unknown }, prefix = ''): PreparedLists {
  return { allow: prepareList(`${prefix}allow`, allow), deny: prepareList(`${prefix}deny`, deny) }
}

function prepareList(field: string, networks: unknown): NetworkSet | undefined {
  if (networks === undefined) return undefined
  if (!Array.isArray(networks) || networks.length > maxNetworks) {
    throw invalidError(field, networks, `an array of at most ${maxNetworks} networks`)
  }
  return new NetworkSet(networks, (index) => `${field}[${index}]`)
}
