const segmenter = new Intl.Segmenter()

/** East Asian wide and full-width characters, after Unicode Standard Annex 11, and emoji. */
const wide =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1f64f}\u{1f900}-\u{1f9ff}\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}|\ufe0f/u

const onlyMarks = /^[\p{Mark}\p{Default_Ignorable_Code_Point}]+$/u

/** Number of columns that a text takes in a terminal. @param text without control characters */
export function displayWidth(text: string): number {
  if (/^[ -~]*$/.test(text)) return text.length
  let width = 0
  for (const { segment } of segmenter.segment(text)) width += segmentWidth(segment)
  return width
}

/** Cuts a text to a number of columns. What is cut ends in `…`. */
export function truncate(text: string, width: number): string {
  if (displayWidth(text) <= width) return text
  let kept = ''
  let left = width - 1
  for (const { segment } of segmenter.segment(text)) {
    left -= segmentWidth(segment)
    if (left < 0) break
    kept += segment
  }
  return width > 0 ? `${kept}…` : ''
}

function segmentWidth(segment: string): number {
  if (onlyMarks.test(segment)) return 0
  return wide.test(segment) ? 2 : 1
}
