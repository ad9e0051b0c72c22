/** Why an integer is refused: read as a number it would be another one. */
export const unsafeInteger = 'has an integer that a number can not hold exactly: write it as a text in quotes'
/** Why a number is refused. */
export const notFinite = 'has a number that is not finite'
/** Why a number that is not zero is refused. */
const underflow = 'has a number that is too small: it would be read as zero'

/**
 * Why a number that was read from a literal is not what was written; `undefined` if it is. A literal of digits alone is an integer, and must be
 * a safe one. A literal with a fraction or an exponent is read as the nearest number, as everywhere.
 */
export function numberProblem(literal: string, value: number): string | undefined {
  if (!Number.isFinite(value)) return notFinite
  if (value === 0) return /[1-9]/.test(literal.replace(/e.*$/i, '')) && !/^[-+]?0[xob]/i.test(literal) ? underflow : undefined
  const isInteger = !/[.e]/i.test(literal) || /^[-+]?0[xob]/i.test(literal)
  return isInteger && !Number.isSafeInteger(value) ? unsafeInteger : undefined
}

/** Why a time is refused. */
export const tooFine = 'has a time with parts of a millisecond, which would be cut off: write it as a text in quotes'

/** Whether a literal of a time has more digits than the milliseconds of a `Date`, other than zeros. */
export function isFinerThanDates(literal: string): boolean {
  return /:\d{2}\.\d{3}\d*[1-9]/.test(literal)
}
