/** Whether a client prefers JSON to text, by its `accept` field (RFC 9110, 12.5.1). */
export function prefersJson(accept: string | undefined): boolean {
  if (accept === undefined || !/json/i.test(accept)) return false
  const ranges = accept.split(',').map(readRange)
  const json = Math.max(qualityOf(ranges, 'application/problem+json'), qualityOf(ranges, 'application/json'))
  return json > 0 && json >= qualityOf(ranges, 'text/plain')
}

interface MediaRange {
  readonly type: string
  readonly quality: number
}

function readRange(text: string): MediaRange {
  const [type = '', ...parameters] = text.split(';').map((part) => part.trim().toLowerCase())
  const q = parameters.find((parameter) => parameter.startsWith('q='))
  const quality = q === undefined ? 1 : Number(q.slice(2))
  return { type, quality: quality >= 0 && quality <= 1 ? quality : 0 }
}

/** The most specific range that matches decides. */
function qualityOf(ranges: readonly MediaRange[], type: string): number {
  for (const range of [type, `${type.split('/', 1)[0]}/*`, '*/*']) {
    const found = ranges.find((one) => one.type === range)
    if (found) return found.quality
  }
  return 0
}
