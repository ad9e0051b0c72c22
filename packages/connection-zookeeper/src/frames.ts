import { Exception } from 'node-zookeeper-client'

/** Largest response that is read, in bytes: a list of about a million nodes. */
const maxFrameBytes = 67_108_864

const knownCodes: ReadonlySet<unknown> = new Set(Object.values(Exception))

/**
 * Splits a stream of bytes into frames of a four-byte length and a body. The library does this too, but does not start
 * over after a disconnect, recurses for each frame in a chunk, and copies the rest each time.
 *
 * @param onFrame receives each complete frame, including its length
 * @returns accepts the next bytes; throws RangeError for an invalid length
 */
export function createFrameReader(onFrame: (frame: Buffer) => void): (chunk: Buffer) => void {
  let chunks: Buffer[] = []
  let available = 0
  let wanted = 4
  return (chunk) => {
    chunks.push(chunk)
    available += chunk.length
    if (available < wanted) return
    let rest = chunks.length === 1 ? chunk : Buffer.concat(chunks)
    wanted = 4
    while (rest.length >= 4) {
      const length = rest.readInt32BE(0)
      if (length < 0 || length > maxFrameBytes) throw new RangeError(`a frame of ${length} bytes`)
      if (rest.length < length + 4) {
        wanted = length + 4
        break
      }
      onFrame(rest.subarray(0, length + 4))
      rest = rest.subarray(length + 4)
    }
    chunks = rest.length > 0 ? [rest] : []
    available = rest.length
  }
}

/** Replaces an error code that the library does not know, and would throw for, by a known one. */
export function replaceUnknownCode(frame: Buffer): void {
  if (frame.length >= 20 && !knownCodes.has(frame.readInt32BE(16))) frame.writeInt32BE(Exception.SYSTEM_ERROR, 16)
}
