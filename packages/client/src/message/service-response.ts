import { type CallResponse, type Endpoint, type HeaderFields, readServerDelay, SdError } from '@sd/core'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { ResponseBody, tooLargeError } from './response-body.ts'

/** Keeps no state between texts. */
const utf8 = new TextDecoder()

function decode(bytes: Uint8Array): string {
  return utf8.decode(bytes)
}

/** Input of a {@link ServiceResponse}. */
export interface ServiceResponseInit extends CallResponse {
  /** Number of attempts that the call took. */
  readonly attempts: number
  /** Most bytes that `json`, `text` and `bytes` read. */
  readonly maxResponseBytes: number
}

/**
 * The response of a service. Its body arrives while it is read: read it once, by one of the methods or by iterating
 * over `body`, or `cancel` it. A non-2xx status does not throw: see {@link ServiceResponse.ok} and {@link
 * ServiceResponse.ensureOk}.
 */
export class ServiceResponse implements CallResponse {
  /** HTTP status. */
  readonly status: number
  /** Header fields, names in lower case. */
  readonly headers: HeaderFields
  /** The reason phrase; empty if there is none, as in HTTP/2. */
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

  /** Returns this response. @throws SdError `SD_HTTP_STATUS` if the status is not 2xx, after cancelling the body */
  ensureOk(): this {
    if (this.ok) return this
    this.cancel()
    const { service, id } = this.endpoint.instance
    const { status } = this
    const retryAfterMs = Math.max(0, readServerDelay(this.headers) ?? 0)
    throw new SdError('SD_HTTP_STATUS', `${service} (${id}) responded with status ${status}`, {
      // Too early, too many requests and timeouts are temporary.
      retryable: status >= 500 || status === 408 || status === 425 || status === 429,
      ...(retryAfterMs > 0 && { retryAfterMs }),
    })
  }

  /** Reads the whole body. @throws SdError `SD_TOO_LARGE` over `maxResponseBytes`, or the error that ended the body early */
  bytes(): Promise<Uint8Array> {
    const { body } = this
    return body instanceof ResponseBody ? body.readAll(this.#maxResponseBytes) : this.#copy(body)
  }

  /** Reads the whole body as UTF-8 text. @throws as {@link ServiceResponse.bytes} */
  text(): Promise<string> {
    const { body } = this
    return body instanceof ResponseBody ? body.readAs(this.#maxResponseBytes, decode) : this.#copy(body).then(decode)
  }

  /**
   * Reads the body as JSON, whatever the status.
   *
   * @param schema validates and types the value: any Standard Schema, such as zod's or valibot's
   * @throws SdError `SD_MALFORMED` if it is not JSON or does not match the schema; else as {@link
   * ServiceResponse.bytes}
   */
  json(): Promise<unknown>
  json<Schema extends StandardSchemaV1>(schema: Schema): Promise<StandardSchemaV1.InferOutput<Schema>>
  async json(schema?: StandardSchemaV1): Promise<unknown> {
    const value = this.#parse(await this.text())
    if (!schema) return value
    const result = await schema['~standard'].validate(value)
    if (!result.issues) return result.value
    const issues = result.issues.slice(0, 5).map(({ path, message }) => `${formatPath(path)}: ${message}`)
    throw new SdError('SD_MALFORMED', `${this.#source} returned unexpected JSON: ${issues.join('; ')}`, {
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

  /** Drops the unread part of the body. */
  cancel(): void {
    if (this.body instanceof ResponseBody) this.body.cancel()
    else endBody(this.body).catch(() => undefined)
  }

  /** Copies the body that an interceptor or a fallback created. */
  async #copy(body: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
    const chunks: Uint8Array[] = []
    let left = this.#maxResponseBytes
    for await (const chunk of body) {
      left -= chunk.length
      if (left < 0) throw tooLargeError(this.#maxResponseBytes)
      chunks.push(chunk)
    }
    return Buffer.concat(chunks)
  }

  get #source(): string {
    const { service, id } = this.endpoint.instance
    return `${service} (${id})`
  }

  #parse(text: string): unknown {
    try {
      return JSON.parse(text)
    } catch (error) {
      throw new SdError('SD_MALFORMED', `${this.#source} returned a body that is not valid JSON`, { cause: error })
    }
  }
}

function formatPath(path: StandardSchemaV1.Issue['path']): string {
  if (!path || path.length === 0) return 'the value'
  return path.map((segment) => String(typeof segment === 'object' ? segment.key : segment)).join('.')
}

/** Ends a body that an interceptor or a fallback created, and what it reads from. One that is being read can't be ended. */
async function endBody(body: AsyncIterable<Uint8Array>): Promise<void> {
  await body[Symbol.asyncIterator]().return?.()
}
