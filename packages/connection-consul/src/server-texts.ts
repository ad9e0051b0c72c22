// What agents say with words alone. refusals.integration.test.ts notices when a Consul says it otherwise.

/**
 * Whether a transaction was refused for want of rights: it has one status, 409, for all that it refuses; which it was stands in the list of
 * its errors only.
 */
export function isDeniedTransaction(body: unknown): boolean {
  const { Errors } = (typeof body === 'object' && body !== null ? body : {}) as { readonly Errors?: unknown }
  return (
    Array.isArray(Errors) && Errors.some(({ What }: { readonly What?: unknown }) => String(What).startsWith('Permission denied'))
  )
}

/** Whether a TLS port was asked without TLS. For a hint in the message: what the error is does not depend on it. */
export function isAskedWithoutTls(status: number, text: string): boolean {
  return status === 400 && text.includes('HTTP request to an HTTPS server')
}
