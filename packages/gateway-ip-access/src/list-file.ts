import { readFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { describeThrown, invalidError, SdError } from '@sd/core'
import { maxNetworks, NetworkSet } from './network-set.ts'

/** Longest file, in bytes. */
const maxFileBytes = 4_194_304

/** What a file of networks is read with. */
export interface ListFileOptions {
  /** Name of the option, for errors. */
  readonly field: string
  readonly path: string
  /** Shortest time between two looks at the file, in milliseconds. */
  readonly reloadMs: number
  /** Receives why a changed file is not used. */
  readonly onError: (error: SdError) => void
}

/**
 * A file of networks, one on each line, with `#` comments. It is looked at again when a request arrives, at most once in
 * `reloadMs`: so there is no timer. A file that can't be read, or is not valid, leaves the networks as they were.
 */
export class ListFile {
  readonly #options: ListFileOptions
  #networks: NetworkSet
  #text: string
  #checkedAt = performance.now()
  #isReading = false

  /** @throws SdError `SD_INVALID` if the file can't be read or is not valid */
  constructor(options: ListFileOptions) {
    this.#options = options
    const { field, path } = options
    try {
      this.#text = readFileSync(path, 'utf8')
    } catch (error) {
      throw new SdError('SD_INVALID', `Invalid ${field}: can not read ${path}: ${describeThrown(error)}`, { field, cause: error })
    }
    this.#networks = readNetworks(options, this.#text)
  }

  /** The networks of the file, as it was when it was read last. */
  get networks(): NetworkSet {
    if (!this.#isReading && performance.now() - this.#checkedAt >= this.#options.reloadMs) void this.#reload()
    return this.#networks
  }

  async #reload(): Promise<void> {
    const { field, path, onError } = this.#options
    this.#isReading = true
    try {
      const text = await readText(path)
      if (text !== this.#text) {
        this.#networks = readNetworks(this.#options, text)
        this.#text = text
      }
    } catch (error) {
      const isKnown = error instanceof SdError
      onError(isKnown ? error : new SdError('SD_UNAVAILABLE', `${field}: ${describeThrown(error)}`, { cause: error }))
    }
    this.#checkedAt = performance.now()
    this.#isReading = false
  }
}

/** A file that grows while it is read is read to the limit only. */
async function readText(path: string): Promise<string> {
  const file = await open(path)
  try {
    const { size } = await file.stat()
    if (size > maxFileBytes) throw tooLong(path)
    return await file.readFile('utf8')
  } finally {
    await file.close()
  }
}

function readNetworks({ field, path }: ListFileOptions, text: string): NetworkSet {
  if (text.length > maxFileBytes) throw tooLong(path)
  const lines = text.split('\n').map((line) => line.replace(/#.*$/, '').trim())
  const networks: string[] = []
  const numbers: number[] = []
  for (const [index, line] of lines.entries()) {
    if (line === '') continue
    networks.push(line)
    numbers.push(index + 1)
  }
  if (networks.length > maxNetworks) throw invalidError(field, `${networks.length} networks`, `at most ${maxNetworks}`)
  return new NetworkSet(networks, (index) => `${field} line ${numbers[index]}`)
}

function tooLong(path: string): SdError {
  return new SdError('SD_TOO_LARGE', `${path} is longer than ${maxFileBytes} bytes`)
}
