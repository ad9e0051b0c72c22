import { parseArgs } from 'node:util'
import { invalidError, SdError } from '@sd/core'

/** What the command line says. */
export type Command =
  | { readonly kind: 'help' }
  | { readonly kind: 'version' }
  | { readonly kind: 'run'; readonly file: string }
  | { readonly kind: 'check'; readonly file: string; readonly json: boolean }
  | {
      readonly kind: 'explain'
      readonly file: string
      readonly method: string
      readonly url: string
      /** Header fields, names in lower case; several values of a field are joined by `, `. */
      readonly headers: Readonly<Record<string, string>>
      readonly listener: string | undefined
      readonly protocol: string | undefined
      readonly json: boolean
    }

/** The text of `sd-gateway --help`. */
export const help = `An HTTP gateway in front of services that discovery finds.

Usage:
  sd-gateway run <file>                      runs the gateway of a YAML or JSON document
  sd-gateway check <file>                    lists all problems and warnings of a document
  sd-gateway explain <file> <method> <url>   shows which route a request takes, and why
  sd-gateway explain <file> tcp://<name>     the same for a protocol that is not on HTTP

Options:
  -H, --header 'name: value'   a header field of the request to explain; may be repeated
      --listener <name>        the listener of the request to explain   (default: the first)
      --protocol <name>        the protocol of the request to explain   (default: http)
      --json                   output of check and explain as JSON
      --help, --version

Signals of run: SIGTERM and SIGINT drain and end it, SIGHUP reads the document again.
Exit codes: 0 for success, 1 for a document with problems or a failed run, 2 for a wrong command line.
`

const options = {
  header: { type: 'string', short: 'H', multiple: true },
  listener: { type: 'string' },
  protocol: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean' },
} as const

/** Reads the command line. @throws SdError `SD_INVALID` that says what is wrong */
export function readCommand(args: readonly string[]): Command {
  const { values, positionals } = parse(args)
  if (values.help) return { kind: 'help' }
  if (values.version) return { kind: 'version' }
  const [kind, file, ...rest] = positionals
  if (kind !== 'run' && kind !== 'check' && kind !== 'explain') throw invalidError('command', kind, 'one of run, check, explain')
  if (file === undefined) throw invalidError('file', file, `a path: sd-gateway ${kind} gateway.yaml`)
  const { json = false, listener, protocol, header = [] } = values
  if (kind !== 'explain') {
    if (rest.length > 0) throw invalidError('command line', rest[0], `nothing after the file of ${kind}`)
    if (header.length > 0 || listener !== undefined || protocol !== undefined)
      throw invalidError('command line', '--header or --listener', 'them with explain only')
    if (kind === 'run' && json) throw invalidError('command line', '--json', 'it with check and explain only')
    return kind === 'run' ? { kind, file } : { kind, file, json }
  }
  // A protocol that is not on HTTP has no method.
  const [method = '', url = '', ...more] = isStreamUrl(rest[0]) ? ['GET', ...rest] : rest
  if (!/^[A-Za-z]+$/.test(method))
    throw invalidError('method', method, 'a method: sd-gateway explain gateway.yaml GET https://api.example.com/')
  if (more.length > 0) throw invalidError('command line', more[0], 'nothing after the URL')
  return { kind, file, method: method.toUpperCase(), url: readUrl(url), headers: readHeaders(header), listener, protocol, json }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true })
  } catch (error) {
    throw new SdError('SD_INVALID', (error as Error).message, { cause: error })
  }
}

function isStreamUrl(text: string = ''): boolean {
  return /^(?!https?:)[a-z][a-z0-9.+-]*:\/\//.test(text)
}

/** The text is kept: the gateway refuses some paths that a parsed URL no longer shows. */
function readUrl(text: string): string {
  if (/^https?:\/\/[^/]/.test(text) || isStreamUrl(text)) return text
  throw invalidError('url', text, 'a URL such as https://api.example.com/orders/1')
}

function readHeaders(texts: readonly string[]): Readonly<Record<string, string>> {
  const headers: Record<string, string> = {}
  for (const text of texts) {
    const [, given, value = ''] = /^([^\s:]+):\s*(.*)$/.exec(text) ?? []
    if (given === undefined) throw invalidError('--header', text, "a field such as 'x-user: ada'")
    const name = given.toLowerCase()
    headers[name] = headers[name] === undefined ? value.trim() : `${headers[name]}, ${value.trim()}`
  }
  return headers
}
