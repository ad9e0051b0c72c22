import type { CreateBodyTransform } from '@sd/gateway'

/** The frame that has the trailers: the highest bit of its flags is set. */
function trailerFrame(rawTrailers: readonly string[]): Buffer {
  let text = ''
  for (let index = 0; index < rawTrailers.length; index += 2) text += `${rawTrailers[index]}: ${rawTrailers[index + 1]}\r\n`
  const content = Buffer.from(text, 'latin1')
  const head = Buffer.alloc(5)
  head[0] = 0x80
  head.writeUInt32BE(content.length, 1)
  return Buffer.concat([head, content])
}

/** Sends the trailers of a response as its last frame. */
export const frameTrailers: CreateBodyTransform = (output) => ({
  write: (chunk) => output.write(chunk),
  end(rawTrailers) {
    output.write(trailerFrame(rawTrailers))
    output.end()
  },
})

/** The same in base64. Each chunk is a part of its own, so that no message waits for the next one. */
export const frameTrailersAsText: CreateBodyTransform = (output) => ({
  write: (chunk) => output.write(toText(chunk)),
  end(rawTrailers) {
    output.write(toText(trailerFrame(rawTrailers)))
    output.end()
  },
})

function toText(chunk: Uint8Array): Buffer {
  return Buffer.from(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength).toString('base64'), 'latin1')
}
