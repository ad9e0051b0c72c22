import { randomInt } from 'node:crypto'
import { isIPv6 } from 'node:net'
import type { ServerAddress } from '@sd/adapter-kit'
import { createSemaphore, SdError } from '@sd/core'
import { type ExchangeResult, exchangeDatagram, exchangeStream } from './exchange.ts'
import { type Finding, interpret, maxAliases, type RecordData } from './interpret.ts'
import { type DnsMessage, type DnsQuestion, encodeQuery, type QueryType } from './message.ts'
import type { ResolvedDnsRegistryOptions } from './options.ts'

/** What is known of a name. */
export interface DnsAnswer<T extends QueryType> {
  /** What the records hold; nothing where there is no such name, or no record of the type. */
  readonly data: readonly RecordData<T>[]
  /** How long that may be kept, in milliseconds. */
  readonly ttlMs: number
  /** The message that had the records. */
  readonly message: DnsMessage
}

/** Asks DNS servers. */
export interface DnsResolver {
  /**
   * Asks for the records of a name, along aliases, one server after the other.
   *
   * @throws SdError `SD_UNAVAILABLE` when no server could tell, with what each said
   */
  ask<T extends QueryType>(question: TypedQuestion<T>, signal: AbortSignal): Promise<DnsAnswer<T>>
}

type TypedQuestion<T extends QueryType> = DnsQuestion & { readonly type: T }

interface Answered<T extends QueryType> {
  readonly finding: Exclude<Finding<T>, { kind: 'failed' }>
  readonly message: DnsMessage
}

/** Queries that are under way at once; each has a socket. */
const maxQueries = 64

/** Makes a resolver. Nothing is open while nothing is asked. */
export function createResolver({ servers, transport, timeoutMs, name: registry }: ResolvedDnsRegistryOptions): DnsResolver {
  const exchange = transport === 'udp' ? exchangeDatagram : exchangeStream
  const queries = createSemaphore(maxQueries)
  let preferred = 0

  /** Asks one server: over a connection what does not fit into a datagram, without the extension who does not know it. */
  async function askServer(server: ServerAddress, question: DnsQuestion, signal: AbortSignal): Promise<ExchangeResult> {
    const options = { timeoutMs, signal }
    const draw = (extended: boolean): ReturnType<typeof encodeQuery> => encodeQuery(question, randomInt(65_536), extended)
    let result = await exchange(server, draw(true), options)
    if (result.kind === 'failed' && (result.reason === 'FORMERR' || result.reason === 'NOTIMP')) {
      result = await exchange(server, draw(false), options)
    }
    if (result.kind !== 'truncated') return result
    const whole = await exchangeStream(server, draw(true), options)
    return whole.kind === 'truncated' ? { kind: 'failed', reason: 'an answer that is cut off' } : whole
  }

  /** Asks all servers, beginning with the one that answered last, and once more those that said nothing: datagrams get lost. */
  async function query<T extends QueryType>(question: TypedQuestion<T>, signal: AbortSignal): Promise<Answered<T>> {
    const turns = [...servers.slice(preferred), ...servers.slice(0, preferred)]
    const reasons = new Map<ServerAddress, string>()
    for (const server of turns) {
      const result = await queries.run(signal, () => askServer(server, question, signal))
      signal.throwIfAborted()
      if (result.kind === 'answered') {
        const finding = interpret(result.message, question)
        if (finding.kind !== 'failed') {
          preferred = servers.indexOf(server)
          return { finding, message: result.message }
        }
        reasons.set(server, finding.reason)
      } else {
        if (result.kind === 'late' && !reasons.has(server)) turns.push(server)
        reasons.set(server, result.kind === 'failed' ? result.reason : `nothing in ${timeoutMs} ms`)
      }
    }
    throw unresolved(question, [...reasons].map(([server, reason]) => `${showServer(server)} gave ${reason}`).join(', '))
  }

  function unresolved({ type, name }: DnsQuestion, reason: string): SdError {
    return new SdError('SD_UNAVAILABLE', `${registry} can't resolve ${type} ${name}: ${reason}`)
  }

  return {
    async ask(question, signal) {
      let { name } = question
      let ttlSeconds = Number.POSITIVE_INFINITY
      for (let hops = 0; hops <= maxAliases; ) {
        const { finding, message } = await query({ ...question, name }, signal)
        ttlSeconds = Math.min(ttlSeconds, finding.ttlSeconds)
        if (finding.kind === 'records') return { data: finding.data, ttlMs: ttlSeconds * 1_000, message }
        name = finding.name
        hops += finding.hops
      }
      throw unresolved(question, `more than ${maxAliases} aliases`)
    },
  }
}

function showServer({ host, port }: ServerAddress): string {
  return `${isIPv6(host) ? `[${host}]` : host}:${port}`
}
