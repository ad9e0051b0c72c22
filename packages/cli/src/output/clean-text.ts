import { stripVTControlCharacters } from 'node:util'

/** Longest text of one cell or line, in characters: a registry may contain values of 64 KiB. */
const longestText = 10_000

/** Control characters, marks that change the direction of text, and characters without a width. */
const unsafe =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it removes.
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]/gu

/**
 * Makes text from outside safe to print: without escape sequences, control characters and marks that change the direction
 * of text. Every text that a command prints passes through here.
 *
 * @param keepsLines whether line breaks and tabs stay; otherwise each is a space
 */
export function cleanText(text: string, keepsLines: boolean = false): string {
  const short = text.length > longestText && !keepsLines ? `${text.slice(0, longestText)}…` : text
  // A carriage return would let a text overwrite its own line.
  const plain = stripVTControlCharacters(short.toWellFormed().replaceAll('\r\n', '\n'))
  const lines = plain.replaceAll(/[\u0085\u2028\u2029]/g, '\n').replaceAll(unsafe, '')
  return keepsLines ? lines : lines.replaceAll(/[\n\t]+/g, ' ')
}

/** JSON in one line that is safe to print: what {@link cleanText} removes is escaped here. */
export function toSafeJson(value: unknown): string {
  const toEscape = (found: string): string =>
    [...Array(found.length).keys()].map((index) => `\\u${found.charCodeAt(index).toString(16).padStart(4, '0')}`).join('')
  return JSON.stringify(value)
    .replaceAll(unsafe, toEscape)
    .replaceAll(/[\u2028\u2029]/g, toEscape)
}
