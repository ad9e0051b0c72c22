/**
 * What a text reads as where no schema says what is wanted: a number if it is written exactly as JavaScript would, `true` and `false` a
 * boolean, anything else itself. So `5` is a number, while `007`, `1e3` and `1.10` stay texts.
 */
export function readPlainText(text: string): unknown {
  if (text === 'true' || text === 'false') return text === 'true'
  return text !== '' && Number.isFinite(Number(text)) && String(Number(text)) === text ? Number(text) : text
}

/**
 * What a text reads as that a schema refused: a number, `true` or `false`, a JSON array or object, or a list of what stands between commas.
 * `undefined` if it is none of them.
 */
export function readRefusedText(text: string): unknown {
  const trimmed = text.trim()
  if (/^(true|false)$/i.test(trimmed)) return trimmed.toLowerCase() === 'true'
  if (trimmed !== '' && Number.isFinite(Number(trimmed))) return Number(trimmed)
  if (/^[[{]/.test(trimmed)) {
    try {
      return JSON.parse(trimmed)
    } catch {
      return undefined
    }
  }
  return trimmed.includes(',') ? trimmed.split(',').map((item) => item.trim()) : undefined
}
