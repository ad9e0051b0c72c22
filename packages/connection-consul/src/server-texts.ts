// Conditions that agents report only in their text. refusals.integration.test.ts fails when a Consul version changes
// the text.

/**
 * Whether a transaction was refused for missing permissions: all refusals have the status 409, and only the list of
 * errors has the reason.
 */
export function isDeniedTransaction(body: unknown): boolean {
  const { Errors } = (typeof body === 'object' && body !== null ? body : {}) as { readonly Errors?: unknown }
  return (
    Array.isArray(Errors) && Errors.some(({ What }: { readonly What?: unknown }) => String(What).startsWith('Permission denied'))
  )
}

/**
 * Whether a plain HTTP request was sent to a TLS port. For a hint in the message; the error code does not depend on it.
 */
export function needsTls(status: number, text: string): boolean {
  return status === 400 && text.includes('HTTP request to an HTTPS server')
}
