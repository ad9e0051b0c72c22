/** Reason to reject an integer that would become another number. */
export const unsafeInteger = 'has an integer that a number cannot hold exactly: write it as a string in quotes'
/** Reason to reject an infinite number or NaN. */
export const notFinite = 'has a number that is not finite'
/** Reason to reject a number other than zero that would become zero. */
const underflow = 'has a number that is too small and would be read as zero'

/**
 * Why a number differs from its literal; `undefined` if it does not. A literal of digits only is an integer and must be a safe
 * one. A literal with a fraction or an exponent is rounded to the nearest number, as everywhere.
 */
export function numberProblem(literal: string, value: number): string | undefined {
  if (!Number.isFinite(value)) return notFinite
  if (value === 0) return /[1-9]/.test(literal.replace(/e.*$/i, '')) && !/^[-+]?0[xob]/i.test(literal) ? underflow : undefined
  const isInteger = !/[.e]/i.test(literal) || /^[-+]?0[xob]/i.test(literal)
  return isInteger && !Number.isSafeInteger(value) ? unsafeInteger : undefined
}

/** Reason to reject a time with more than milliseconds. */
export const tooFine = 'has a time with fractions of a millisecond, which would be truncated: write it as a string in quotes'

/** Whether a time literal has nonzero digits beyond the milliseconds of a `Date`. */
export function isFinerThanDates(literal: string): boolean {
  return /:\d{2}\.\d{3}\d*[1-9]/.test(literal)
}
