/** A request that the gateway must refuse, with the reason. */
export interface Refusal {
  readonly status: number
  /** One sentence for the client. */
  readonly detail: string
}

/** Creates a {@link Refusal}. */
export function refuse(status: number, detail: string): Refusal {
  return { status, detail }
}

/** Whether a check has refused the request. */
export function isRefusal(result: object): result is Refusal {
  return 'detail' in result
}

/** Where a request goes. */
export interface RequestTarget {
  /** Host, possibly with port, in lower case; empty for HTTP/1.0 without a `host` field. */
  readonly authority: string
  /** Path and query in origin form; dot segments are resolved. */
  readonly path: string
}

/** A name or an IPv4 address, or an IPv6 address in brackets: escapes and lists, which RFC 3986 allows, mean different things to servers. */
const hostPattern = /^(?:[\w.~-]+|\[[\da-f:.]+\])(?::\d{0,5})?$/i

/** The authority and the path, from one source each. */
export function readTarget(
  head: {
    readonly method: string
    readonly target: string
    readonly authority: string | undefined
    readonly version: string
  },
  host: string | undefined,
): RequestTarget | Refusal {
  let { target, authority } = head
  if (target.charCodeAt(0) !== 47) {
    if (target === '*' && head.method === 'OPTIONS') target = '/*'
    else {
      // RFC 9112, 3.2.2: the authority of the absolute form replaces the host field.
      const [, absolute, rest = ''] = /^https?:\/\/([^/?#]*)([^#]*)$/i.exec(target) ?? []
      if (absolute === undefined || absolute === '') return refuse(400, 'The request target is not a path.')
      authority = absolute
      target = rest.startsWith('/') ? rest : `/${rest}`
    }
  } else if (authority !== undefined && host !== undefined && authority.toLowerCase() !== host.toLowerCase()) {
    return refuse(400, 'The host field differs from the authority.')
  }
  if (host === undefined && head.version === '1.1') return refuse(400, 'The request has no host field.')
  if (authority !== undefined && host !== undefined && !isAuthority(host)) return refuse(400, 'The host is not valid.')
  const given = authority ?? host
  if (given === undefined && head.version === '2') return refuse(400, 'The request has no authority.')
  if (given !== undefined && !isAuthority(given)) return refuse(400, 'The host is not valid.')
  const path = readPath(target)
  return typeof path === 'string' ? { authority: (given ?? '').toLowerCase(), path } : path
}

/** Whether a text is a host, possibly with port. */
export function isAuthority(text: string): boolean {
  return text !== '' && hostPattern.test(text)
}

/** Nearly every path matches, and stays as it is. A dot after a slash, two slashes and escapes need a closer look. */
const plainPath = /^(?:\/(?![./])[\w!$&'()*+,\-.:;=@~]*)+\/?(?:\?[\w!$&'()*+,\-./:;=?@~%[\]{}|^]*)?$/

/** The path as it is matched and sent on: visible ASCII, without dot segments and empty segments. */
function readPath(target: string): string | Refusal {
  if (target === '/' || plainPath.test(target)) return target
  if (!/^[\x21-\x7e]*$/.test(target) || target.includes('#')) return refuse(400, 'The path has characters that are not allowed.')
  const question = target.indexOf('?')
  const path = question < 0 ? target : target.slice(0, question)
  const query = question < 0 ? '' : target.slice(question)
  if (/%(?:2f|5c|7f|[01][\da-f])|\\/i.test(path)) {
    return refuse(400, 'The path has an escaped slash, a backslash or a control character.')
  }
  if (/%(?![\da-f]{2})/i.test(path)) return refuse(400, 'The path has an incomplete escape.')
  const segments: string[] = []
  // RFC 3986, 5.2.4, with escaped dots.
  const parts = path.slice(1).split('/')
  for (const [index, part] of parts.entries()) {
    const plain = part.replace(/%2e/gi, '.')
    const isLast = index === parts.length - 1
    // Servers that cut off path parameters see a dot segment.
    if (/^\.{1,2};/.test(plain)) return refuse(400, 'The path has a dot segment with parameters.')
    if (plain === '..') {
      if (segments.length === 0) return refuse(400, 'The path leaves the root.')
      segments.pop()
    } else if (plain !== '.' && (part !== '' || isLast)) {
      segments.push(part)
      continue
    }
    if (isLast && plain !== '') segments.push('')
  }
  return `/${segments.join('/')}${query}`
}
