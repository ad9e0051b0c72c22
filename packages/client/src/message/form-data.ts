import { randomUUID } from 'node:crypto'

/**
 * Encodes a form as `fetch` does (multipart/form-data, RFC 7578, as in the HTML standard). The result is a Blob, so
 * that it has a length and can be read again.
 */
export function encodeForm(form: FormData): { readonly blob: Blob; readonly contentType: string } {
  const boundary = `----sd-${randomUUID()}`
  const parts: (string | Blob)[] = []
  for (const [name, value] of form) {
    const disposition = `--${boundary}\r\nContent-Disposition: form-data; name="${escapeName(withLineBreaks(name))}"`
    if (typeof value === 'string') parts.push(`${disposition}\r\n\r\n${withLineBreaks(value)}\r\n`)
    else {
      const type = value.type || 'application/octet-stream'
      parts.push(`${disposition}; filename="${escapeName(value.name)}"\r\nContent-Type: ${type}\r\n\r\n`, value, '\r\n')
    }
  }
  parts.push(`--${boundary}--\r\n`)
  return { blob: new Blob(parts), contentType: `multipart/form-data; boundary=${boundary}` }
}

function withLineBreaks(text: string): string {
  return text.replaceAll(/\r?\n|\r/g, '\r\n')
}

function escapeName(name: string): string {
  return name.replaceAll('\n', '%0A').replaceAll('\r', '%0D').replaceAll('"', '%22')
}
