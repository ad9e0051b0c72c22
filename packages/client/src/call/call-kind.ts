import type { CallContext } from '@sd/core'

/** Longer path segments are names or keys. */
const longestSegment = 24
/** Deeper segments do not distinguish kinds. */
const deepestSegment = 4

/** Returns the kind of a call: method and path, without segments that have a digit or are long. */
export function createKindFinder(): (call: Pick<CallContext, 'method' | 'path'>) => string {
  // Most calls are like the previous one, and a response to learn from is like the call that just began.
  let method = ''
  let path = ''
  let kind = ''
  return (call) => {
    if (call.path !== path || call.method !== method) {
      path = call.path
      method = call.method
      kind = kindOf(method, path)
    }
    return kind
  }
}

/** Method and path with a placeholder for segments that identify one thing of many. */
function kindOf(method: string, path: string): string {
  let kind = method
  let start = 1
  for (let depth = 0; depth < deepestSegment && start <= path.length; depth++) {
    let end = start
    let isName = false
    for (; end < path.length; end++) {
      const code = path.charCodeAt(end)
      if (code === 47 || code === 63) break
      isName ||= code >= 48 && code <= 57
    }
    kind += isName || end - start > longestSegment ? '/*' : path.slice(start - 1, end)
    if (path.charCodeAt(end) !== 47) break
    start = end + 1
  }
  return kind
}
