/** Responses that are pushed for one request. */
const mostPushes = 10

/** Fields of the request that a pushed one repeats: what a response may vary by, and what counts only from trusted proxies. */
const repeated: ReadonlySet<string> = new Set([
  'accept-encoding',
  'accept-language',
  'authorization',
  'cookie',
  'forwarded',
  'user-agent',
  'x-forwarded-client-cert',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
])

/** Paths that the `link` fields of a response ask to preload, unless they say `nopush` (W3C Preload, 3.3). */
export function preloadPaths(fields: readonly string[]): readonly string[] {
  const paths = new Set<string>()
  for (let index = 0; index < fields.length; index += 2) {
    if (fields[index] !== 'link') continue
    for (const [, path = '', parameters = ''] of (fields[index + 1] as string).matchAll(/<([^>]*)>((?:[^,"]|"[^"]*")*)/g)) {
      const isPreload = /;\s*rel\s*=\s*"?(?:[^";]*\s)?preload[\s";]?/i.test(`${parameters};`) && !/;\s*nopush\b/i.test(parameters)
      if (isPreload && /^\/(?!\/)/.test(path) && paths.size < mostPushes) paths.add(path)
    }
  }
  return [...paths]
}

/** Fields of a pushed request, pseudo-header fields first. */
export function pushedFields(path: string, authority: string, scheme: string, rawHeaders: readonly string[]): readonly string[] {
  const fields = [':method', 'GET', ':path', path, ':authority', authority, ':scheme', scheme]
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] as string
    if (repeated.has(name)) fields.push(name, rawHeaders[index + 1] as string)
  }
  return fields
}
