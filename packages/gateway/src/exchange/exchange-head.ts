import { DEADLINE_HEADER, readDeadline } from '@sd/core'
import type { CreateBodyTransform } from '../filters/body-transform.ts'
import type { ClientConnection } from '../listener/connection.ts'
import type { CallProtocol } from '../protocol.ts'
import { readClientOrigin } from './client-origin.ts'
import type { IncomingRequest } from './downstream.ts'
import { FieldList } from './field-list.ts'
import { addForwardingFields } from './forwarding-fields.ts'
import type { RequestFields } from './request-fields.ts'
import { createRequestId, isRequestId } from './request-id.ts'

/** Of a request that was not read yet. */
const noFields = new FieldList([])

/** The request of an exchange, as filters see and change it. */
export class ExchangeHead {
  id = ''
  path = ''
  authority = ''
  readonly method: string
  readonly httpVersion: '1.0' | '1.1' | '2'
  readonly connection: ClientConnection
  clientAddress: string
  identity: string | undefined
  /** Whether a request body follows. */
  hasBody = false
  fields: FieldList = noFields
  /** `http`, `websocket`, or the name of one of the gateway's protocols. */
  protocol: string = 'http'
  /** By `performance.now()`. @default no deadline */
  deadlineAt: number | undefined
  /** Transforms of the request body, in their order. */
  bodyTransforms: CreateBodyTransform[] | undefined

  constructor({ connection, head }: IncomingRequest) {
    this.connection = connection
    this.clientAddress = connection.remoteAddress
    this.method = head.method
    this.httpVersion = head.version
    if (head.upgrade !== undefined) this.protocol = head.upgrade
  }

  /** Reads the checked head of the request, and adds the fields of the gateway. */
  admit(request: RequestFields, pseudonym: string): void {
    const { connection } = this
    const { isTrusted, remoteAddress, trust } = connection
    const { claims } = request
    this.path = request.path
    this.authority = request.authority
    this.hasBody = request.hasBody
    this.fields = new FieldList(request.rawHeaders)
    const { raw } = this.fields
    const claimedId = isTrusted ? claims['x-request-id'] : undefined
    this.id = claimedId !== undefined && isRequestId(claimedId) ? claimedId : createRequestId()
    if (request.authority !== '') raw.push('host', request.authority)
    const origin = isTrusted ? readClientOrigin(request, remoteAddress, trust) : undefined
    if (origin) this.clientAddress = origin.address
    addForwardingFields(raw, request, connection, { version: this.httpVersion, pseudonym, origin })
    raw.push('x-request-id', this.id)
    const deadline = claims[DEADLINE_HEADER]
    if (deadline !== undefined) this.deadlineAt = readDeadline({ [DEADLINE_HEADER]: deadline }, { trusted: isTrusted })
  }

  /** The protocol whose call the request is. */
  recognise(protocols: readonly CallProtocol[]): CallProtocol | undefined {
    if (this.protocol !== 'http') return undefined
    for (const protocol of protocols) {
      if (!protocol.recognises(this)) continue
      this.protocol = protocol.name
      return protocol
    }
    return undefined
  }

  /** Moves the deadline forward. @param timeoutMs from now */
  limit(timeoutMs: number | undefined): void {
    if (timeoutMs === undefined) return
    this.deadlineAt = Math.min(performance.now() + timeoutMs, this.deadlineAt ?? Number.POSITIVE_INFINITY)
  }

  get rawHeaders(): readonly string[] {
    return this.fields.raw
  }

  header(name: string): string | undefined {
    return this.fields.get(name.toLowerCase())
  }

  setHeader(name: string, value: string): void {
    this.fields.set(name, value)
  }

  addHeader(name: string, value: string): void {
    this.fields.add(name, value)
  }

  removeHeader(name: string): void {
    this.fields.remove(name.toLowerCase())
  }

  transformBody(create: CreateBodyTransform): void {
    if (!this.hasBody) return
    this.fields.remove('content-length')
    this.bodyTransforms ??= []
    this.bodyTransforms.push(create)
  }
}
