/** A new path for requests, from `path` or `prefix` of a rewrite or redirect. */
export interface PathRule {
  readonly path?: string | undefined
  readonly prefix?: string | undefined
}

/**
 * Prepares a change of paths. The query stays, and segments are taken as they were received, so that their escapes stay too.
 *
 * @param matched `match.path`
 * @returns a function of path and query; `undefined` if nothing changes
 */
export function compilePathRule(matched: string = '/*', { path, prefix }: PathRule): ((path: string) => string) | undefined {
  const template = path ?? prefix
  if (template === undefined) return undefined
  const segments = matched.slice(1).split('/')
  const indexes = new Map(segments.map((segment, index) => [segment, index]))
  // Texts and indexes of segments, in turn.
  const parts = template.split(/(\{[^{}]*\})/).map((part) => (part.startsWith('{') ? (indexes.get(part) as number) : part))
  const restIndex = segments.length - 1
  return (target) => {
    const question = target.indexOf('?')
    const query = question < 0 ? '' : target.slice(question)
    const given = (question < 0 ? target : target.slice(0, question)).slice(1).split('/')
    const begin = parts.map((part) => (typeof part === 'string' ? part : given[part])).join('')
    if (path !== undefined) return begin + query
    if (given.length <= restIndex) return begin + query
    return `${begin.endsWith('/') ? begin.slice(0, -1) : begin}/${given.slice(restIndex).join('/')}${query}`
  }
}
