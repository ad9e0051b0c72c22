import { type CallResponse, type Endpoint, type HeaderFields, readServerDelay, SdError } from '@sd/core'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { ResponseBody } from './response-body.ts'

/** Keeps nothing from one text to the next. */
const utf8 = new TextDecoder()

function decode(bytes: Uint8Array): string {
  return utf8.decode(bytes)
}

/** Parts of a {@link ServiceResponse}. */
export interface ServiceResponseInit extends CallResponse {
  /** Number of attempts that the call took. */
  readonly attempts: number
  /** Most bytes that `json`, `text` and `bytes` read. */
  readonly maxResponseBytes: number
}

/**
 * The response of a service. Its body arrives while it is read: read it once, by one of the methods or by iterating over `body`, or
 * `cancel` it. A status that is not 2xx is not an exception: see {@link ServiceResponse.ok} and {@link ServiceResponse.ensureOk}.
 */
export class ServiceResponse implements CallResponse {
  /** HTTP status. */
  readonly status: number
  /** Header fields, names in lower case. */
  readonly headers: HeaderFields
  /** The reason phrase; empty where there is none, as in HTTP/2. */
  readonly statusText: string
  /** The body as it arrives. */
  readonly body: AsyncIterable<Uint8Array>
  /** The endpoint that responded. */
  readonly endpoint: Endpoint
  /** Number of attempts that the call took. */
  readonly attempts: number
  readonly #maxResponseBytes: number

  constructor(init: ServiceResponseInit) {
    this.status = init.status
    this.headers = init.headers
    this.statusText = init.statusText ?? ''
    this.body = init.body
    this.endpoint = init.endpoint
    this.attempts = init.attempts
    this.#maxResponseBytes = init.maxResponseBytes
  }

  /** Whether the status is 2xx. */
  get ok(): boolean {
    return this.status >= 200 && this.status < 300
  }

  /** Itself. @throws SdError `SD_HTTP_STATUS` if the status is not 2xx; the body is cancelled then */
  ensureOk(): this {
    if (this.ok) return this
    this.cancel()
    const { service, id } = this.endpoint.instance
    const { status } = this
    const retryAfterMs = Math.max(0, readServerDelay(this.headers) ?? 0)
    throw new SdError('SD_HTTP_STATUS', `${service} (${id}) answered ${status}`, {
      // Too early, too much or too late is not for good.
      retryable: status >= 500 || status === 408 || status === 425 || status === 429,
      ...(retryAfterMs > 0 && { retryAfterMs }),
    })
  }

  /** The whole body. @throws SdError `SD_TOO_LARGE` over `maxResponseBytes`, or what ended the body early */
  bytes(): Promise<Uint8Array> {
    const { body } = this
    return body instanceof ResponseBody ? body.readAll(this.#maxResponseBytes) : this.#copy(body)
  }

  /** The whole body as UTF-8 text. @throws as {@link ServiceResponse.bytes} */
  text(): Promise<string> {
    const { body } = this
    return body instanceof ResponseBody ? body.readAs(this.#maxResponseBytes, decode) : this.#copy(body).then(decode)
  }

  /**
   * The body as JSON, of whatever status.
   *
   * @param schema checks and types the value: any Standard Schema, such as zod's or valibot's
   * @throws SdError `SD_MALFORMED` if it is not JSON, or not what the schema wants; else as {@link ServiceResponse.bytes}
   */
  json(): Promise<unknown>
  json<Schema extends StandardSchemaV1>(schema: Schema): Promise<StandardSchemaV1.InferOutput<Schema>>
  async json(schema?: StandardSchemaV1): Promise<unknown> {
    const value = this.#parse(await this.text())
    if (!schema) return value
    const result = await schema['~standard'].validate(value)
    if (!result.issues) return result.value
    const issues = result.issues.slice(0, 5).map(({ path, message }) => `${formatPath(path)}: ${message}`)
    throw new SdError('SD_MALFORMED', `${this.#source} answered with unexpected JSON: ${issues.join('; ')}`, {
      cause: result.issues,
    })
  }

  /** The body as a web stream. */
  stream(): ReadableStream<Uint8Array> {
    const chunks = this.body[Symbol.asyncIterator]()
    return new ReadableStream({
      async pull(controller) {
        const { done, value } = await chunks.next()
        if (done) controller.close()
        else controller.enqueue(value)
      },
      async cancel() {
        await chunks.return?.()
      },
    })
  }

  /** Drops the body, or what is left of it. */
  cancel(): void {
    if (this.body instanceof ResponseBody) this.body.cancel()
  }

  /** Of a body that an interceptor or a fallback made. */
  async #copy(body: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
    const copy = new ResponseBody({ resume() {}, cancel() {} })
    for await (const chunk of body) copy.push(chunk)
    copy.end()
    return copy.readAll(this.#maxResponseBytes)
  }

  get #source(): string {
    const { service, id } = this.endpoint.instance
    return `${service} (${id})`
  }

  #parse(text: string): unknown {
    try {
      return JSON.parse(text)
    } catch (error) {
      throw new SdError('SD_MALFORMED', `${this.#source} answered with a body that is no JSON`, { cause: error })
    }
  }
}

function formatPath(path: StandardSchemaV1.Issue['path']): string {
  if (!path || path.length === 0) return 'the value'
  return path.map((segment) => String(typeof segment === 'object' ? segment.key : segment)).join('.')
}
