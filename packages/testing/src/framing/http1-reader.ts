/** A field line: name and value, as they were received. */
export type FramingField = readonly [name: string, value: string]

/** A message of HTTP/1.1, as far as it was received. Texts are latin1: one character per byte. */
export interface Http1Message {
  readonly startLine: string
  readonly fields: readonly FramingField[]
  /** Start line and field lines, with their line ends. */
  readonly head: string
  body: string
  readonly trailers: FramingField[]
  complete: boolean
  /** What is wrong with the framing of the body. */
  readonly problems: string[]
}

/** How the reader expects the body of a message. */
type State = 'head' | 'length' | 'chunk-line' | 'chunk-data' | 'trailers' | 'until-end' | 'broken'

const emptyLine = /\r?\n\r?\n/
/** Bytes that the reader keeps of one message head. More is not a message of any case. */
const maxHeadBytes = 4_194_304

/** Longest chunk line, with its extensions. The longest one of Node.js and others is 16 KiB. */
const maxChunkLine = 16_384

/** The value of the first field with this name, in lower case. */
export function fieldOf(fields: readonly FramingField[], name: string): string | undefined {
  return fields.find(([other]) => other.toLowerCase() === name)?.[1]
}

/** All values of the fields with this name, in lower case. */
export function fieldsOf(fields: readonly FramingField[], name: string): readonly string[] {
  return fields.filter(([other]) => other.toLowerCase() === name).map(([, value]) => value)
}

/**
 * Splits a stream of bytes into messages, tolerantly: `Transfer-Encoding` wins over `Content-Length`, lines may end with a bare LF, and sizes are read
 * as far as they are digits. A lenient server sees what this reader sees.
 */
export class Http1Reader {
  readonly messages: Http1Message[] = []
  readonly #isBodiless: (message: Http1Message) => boolean
  readonly #isResponse: boolean
  #text = ''
  #state: State = 'head'
  #left = 0

  constructor(options: { readonly isResponse: boolean; readonly isBodiless?: (message: Http1Message) => boolean }) {
    this.#isResponse = options.isResponse
    this.#isBodiless = options.isBodiless ?? (() => false)
  }

  /** Whether no message has begun without being complete, and no byte is left. */
  get idle(): boolean {
    return this.#state === 'head' && this.#text === ''
  }

  /** The bytes behind the last complete message that are not a message yet. */
  get rest(): string {
    return this.#text
  }

  push(chunk: Uint8Array): void {
    this.#text += Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength).toString('latin1')
    while (this.#step());
  }

  /** The connection has ended: this completes a body that has no length. */
  end(): void {
    if (this.#state === 'until-end') this.#complete()
  }

  /** Takes one part of the text. Returns false if it needs more. */
  #step(): boolean {
    const message = this.messages.at(-1)
    if (this.#state === 'head' || !message) return this.#readHead()
    if (this.#state === 'length' || this.#state === 'chunk-data') return this.#readData(message)
    if (this.#state === 'chunk-line') return this.#readChunkLine(message)
    if (this.#state === 'trailers') return this.#readTrailer(message)
    message.body += this.#text
    this.#text = ''
    return false
  }

  #readHead(): boolean {
    const end = emptyLine.exec(this.#text)
    if (!end || end.index > maxHeadBytes) return false
    const head = this.#text.slice(0, end.index)
    this.#text = this.#text.slice(end.index + end[0].length)
    const [startLine = '', ...lines] = head.split(/\r?\n/)
    const message: Http1Message = {
      ...{ startLine, fields: lines.map(splitField), head, body: '', trailers: [], complete: false, problems: [] },
    }
    this.messages.push(message)
    this.#beginBody(message)
    return this.#text !== ''
  }

  #beginBody(message: Http1Message): void {
    const encodings = fieldsOf(message.fields, 'transfer-encoding').join(',')
    const length = Number.parseInt(fieldOf(message.fields, 'content-length') ?? '', 10)
    this.#left = 0
    if (this.#isBodiless(message)) this.#complete()
    else if (/chunked/i.test(encodings)) this.#state = 'chunk-line'
    else if (length > 0) {
      this.#left = length
      this.#state = 'length'
    } else if (this.#isResponse && Number.isNaN(length)) this.#state = 'until-end'
    else this.#complete()
  }

  #readData(message: Http1Message): boolean {
    const data = this.#text.slice(0, this.#left)
    message.body += data
    this.#left -= data.length
    this.#text = this.#text.slice(data.length)
    if (this.#left > 0) return false
    if (this.#state === 'length') {
      this.#complete()
      return this.#text !== ''
    }
    if (this.#text.length < 2) return false
    if (!this.#text.startsWith('\r\n')) return this.#break(message, 'chunk data do not end with CRLF')
    this.#text = this.#text.slice(2)
    this.#state = 'chunk-line'
    return this.#text !== ''
  }

  #readChunkLine(message: Http1Message): boolean {
    const line = this.#takeLine(message)
    if (line === undefined) return false
    if (!/^[0-9a-f]{1,16}(?:[ \t]*;[\t\x20-\x7e]*)?$/i.test(line)) {
      message.problems.push(`the chunk line ${JSON.stringify(line.slice(0, 40))} is not valid`)
    }
    if (line.length > maxChunkLine) message.problems.push(`a chunk line has ${line.length} octets`)
    this.#left = Number.parseInt(line, 16)
    if (!(this.#left >= 0)) return this.#break(message, 'a chunk has no size')
    this.#state = this.#left === 0 ? 'trailers' : 'chunk-data'
    return true
  }

  #readTrailer(message: Http1Message): boolean {
    const line = this.#takeLine(message)
    if (line === undefined) return false
    if (line === '') this.#complete()
    else message.trailers.push(splitField(line))
    return this.#text !== ''
  }

  #takeLine(message: Http1Message): string | undefined {
    const end = this.#text.indexOf('\n')
    if (end < 0) return undefined
    const isBare = this.#text[end - 1] !== '\r'
    if (isBare) message.problems.push('a line in a chunked body ends with a bare LF')
    const line = this.#text.slice(0, isBare ? end : end - 1)
    this.#text = this.#text.slice(end + 1)
    return line
  }

  #complete(): void {
    const message = this.messages.at(-1)
    if (message) message.complete = true
    this.#state = 'head'
  }

  #break(message: Http1Message, problem: string): boolean {
    message.problems.push(problem)
    this.#state = 'broken'
    return true
  }
}

function splitField(line: string): FramingField {
  const colon = line.indexOf(':')
  return colon < 0 ? [line, ''] : [line.slice(0, colon), line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, '')]
}
