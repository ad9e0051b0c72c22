import type { Duplex } from 'node:stream'

/** Smaller chunks are left to the garbage collector: a callback would cost more. */
const largeBytes = 16_384

/** Passes what one side sends on to the other one, which makes it wait if it does not read. The end is passed on too. */
export function passBytes(from: Duplex, to: Duplex): void {
  from.on('data', (chunk: Buffer) => {
    if (to.writable && !write(to, chunk)) from.pause()
  })
  from.on('end', () => to.end())
  to.on('drain', () => from.resume())
  from.resume()
}

/** @returns whether the sender may go on */
function write(to: Duplex, chunk: Buffer): boolean {
  const { buffer, byteLength } = chunk
  if (byteLength < largeBytes || byteLength < buffer.byteLength) return to.write(chunk)
  // The memory is of this chunk alone. Freed here, it is used for the next one. Otherwise every 64 MB bring a whole collection,
  // which took a quarter of the time.
  return to.write(chunk, (error) => {
    if (!error && buffer instanceof ArrayBuffer) buffer.transfer(0)
  })
}
